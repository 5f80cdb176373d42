"""Whether a checkpoint is of the model that the flags describe: by names and shapes, and by what these do not show."""

from torch import nn

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.masks.prunable import prunable_parameters
from nmt_prune.tasks.config import TranslationPruningConfig

_UNSEEN = (
    "encoder_attention_heads",
    "decoder_attention_heads",
    "encoder_normalize_before",
    "decoder_normalize_before",
    "activation_fn",
    "no_scale_embedding",
    "no_token_positional_embeddings",
)
"""Settings of a model that change what its weights mean, and not their names or shapes."""

_ADVICE = "train with the --arch, sizes and dictionary of the checkpoint"


def check_fits(cfg: TranslationPruningConfig, checkpoint: Checkpoint, model: nn.Module, source: str) -> None:
    """Checks a checkpoint against the model that is going to load it.

    Args:
        cfg: the task's flags.
        checkpoint: the checkpoint.
        model: the model.
        source: what to call the checkpoint.

    Raises:
        PruneError: it is of another architecture.
    """
    mine, theirs = _shapes(checkpoint, model)
    # Matrices first: their names say more than that of a bias.
    for name in sorted(mine.keys() | theirs.keys(), key=lambda name: (len(mine.get(name) or theirs[name]) < 2, name)):
        if mine.get(name) != theirs.get(name):
            raise PruneError(
                f"{source} is of another architecture: {name} is {theirs.get(name, 'missing')} there and"
                f" {mine.get(name, 'missing')} by the flags; {_ADVICE}"
            )
    flags = cfg._get_parent().model
    for name in _UNSEEN:
        now, then = getattr(flags, name, None), checkpoint.model_settings.get(name)
        if None not in (now, then) and now != then:
            raise PruneError(
                f"{source} is of another architecture: --{name.replace('_', '-')} is {then} there and {now} by the"
                f" flags; {_ADVICE}"
            )


def _shapes(checkpoint: Checkpoint, model: nn.Module) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """Shapes by name, of the model and of the checkpoint."""
    mine: dict[str, tuple[int, ...]] = {prunable.name: prunable.shape for prunable in prunable_parameters(model)}
    # A table that nothing trains, such as Marian's positions, is the model's own where the checkpoint has none.
    mine |= {
        name: tuple(parameter.shape)
        for name, parameter in model.named_parameters()
        if parameter.requires_grad or name in checkpoint.model
    }
    known = model.state_dict()
    theirs: dict[str, tuple[int, ...]] = {prunable.name: prunable.shape for prunable in checkpoint.matrices}
    for name, tensor in checkpoint.model.items():
        if name in mine or (name not in known and name.endswith((".weight", ".bias"))):
            theirs[name] = tuple(tensor.shape)
    return mine, theirs
