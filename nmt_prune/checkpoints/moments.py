"""What an optimizer remembers of each weight, in a checkpoint."""

from torch import Tensor

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.checkpoints.weights import is_weight
from nmt_prune.errors import PruneError

SECOND = "exp_avg_sq"
"""Adam's running mean of squared gradients, by the name that torch and fairseq give it."""


def second_moments(checkpoint: Checkpoint) -> dict[str, Tensor] | None:
    """Adam's second moments by the name of the parameter; None where the checkpoint has none.

    An optimizer state counts parameters as the model lists them, or holds all of them one behind the other (fairseq's
    flat ``--fp16``).

    Raises:
        PruneError: the state does not fit the weights, e.g. because some of them were frozen.
    """
    entries = (checkpoint.state.get("last_optimizer_state") or {}).get("state") or {}
    found = [entries[key][SECOND] for key in sorted(entries, key=int) if SECOND in entries[key]]
    if not found:
        return None
    tied = {alias for prunable in checkpoint.matrices for alias in prunable.aliases}
    trained = {name: value for name, value in checkpoint.model.items() if is_weight(name) and name not in tied}
    sizes = [value.numel() for value in trained.values()]
    if len(found) == 1 and found[0].shape == (sum(sizes),) and len(trained) > 1:
        found = list(found[0].split(sizes))
        found = [moment.view_as(value) for moment, value in zip(found, trained.values(), strict=True)]
    if [moment.shape for moment in found] != [value.shape for value in trained.values()]:
        raise PruneError(
            f"{checkpoint.path}: Adam's state is of {len(found)} parameters, the model has {len(trained)} of other"
            " shapes; take a checkpoint all of whose weights were trained"
        )
    return dict(zip(trained, found, strict=True))
