"""From a checkpoint with dead heads and feed-forward units to a smaller one that computes the same."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nmt_prune.checkpoints import MASK_MODULE, QUANTIZATION_MODULE, Checkpoint
from nmt_prune.checkpoints.stock import restarted
from nmt_prune.checkpoints.weights import existing
from nmt_prune.checkpoints.widths import WIDTHS, format_widths, shrunk_architecture
from nmt_prune.errors import PruneError
from nmt_prune.shrinking.removal import Removable, remove_dead_units

_ATTENTION = r"(self_attn|encoder_attn)\.(q|k|v|out)_proj"
_NORM = r"(self_attn|encoder_attn|final)_layer_norm"
_KNOWN_KEY = re.compile(
    rf"(encoder|decoder)\.(layers\.\d+\.({_ATTENTION}|{_NORM}|fc[12])\.(weight|bias)|version|"
    r"(embed_tokens|embed_positions|layernorm_embedding|layer_norm|output_projection|adaptive_softmax|project_in_dim|"
    r"project_out_dim)\..+)"
)
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "relu_squared": lambda x: functional.relu(x).square(),
    "gelu": functional.gelu,
    "gelu_accurate": lambda x: functional.gelu(x, approximate="tanh"),
    "gelu_fast": lambda x: functional.gelu(x, approximate="tanh"),
    "tanh": torch.tanh,
    "linear": lambda x: x,
}


@dataclass(frozen=True)
class Shrunk:
    """A shrunk checkpoint.

    Attributes:
        state: the state of a fairseq checkpoint, without optimizer state.
        before: heads or feed-forward units per layer, by the names of ``WIDTHS``.
        after: the same of what is left.
    """

    state: dict[str, Any]
    before: dict[str, list[int]]
    after: dict[str, list[int]]


def shrink(checkpoint: Checkpoint, allow_empty_cross_attention: bool = False) -> Shrunk:
    """Removes the heads and feed-forward units that the masks (or else zeros) of a checkpoint have emptied.

    The result is a checkpoint of ``shrunk_transformer`` with the outputs of the original. What is left keeps its masks.

    Args:
        checkpoint: a checkpoint of a fairseq Transformer, masked or not, shrunk already or not.
        allow_empty_cross_attention: whether a decoder layer may lose sight of the source.

    Raises:
        PruneError: the checkpoint is of another model, its weights contradict its masks, or a cross-attention has no
            head left.
    """
    _check_keys(checkpoint)
    weights, masks = checkpoint.model, _masks(checkpoint)
    before: dict[str, list[int]] = {setting: [] for setting in WIDTHS}
    after: dict[str, list[int]] = {setting: [] for setting in WIDTHS}
    for setting, (stack, block, _) in WIDTHS.items():
        for layer in range(_layers(checkpoint, stack)):
            try:
                sublayer = _sublayer(checkpoint, stack, layer, block)
                counts = remove_dead_units(weights, masks, sublayer)
            except KeyError as error:
                raise PruneError(
                    f"{checkpoint.path}: {error.args[0]} is missing; shrink a checkpoint that fairseq-train wrote"
                ) from None
            for widths, count in zip((before, after), counts, strict=True):
                widths[setting].append(count)
            if block == "encoder_attn" and counts[0] and not counts[1] and not allow_empty_cross_attention:
                raise PruneError(
                    f"{checkpoint.path}: no head is left in the cross-attention of decoder layer {layer}, which would"
                    " lose sight of the source; prune less or give --allow-empty-cross-attention"
                )
    if checkpoint.has_masks:
        weights.update({f"{MASK_MODULE}.{name}": mask.byte() for name, mask in masks.items() if not mask.all()})
    architecture = shrunk_architecture(checkpoint.model_settings)
    lists = {setting: format_widths(widths) for setting, widths in after.items()}
    state = restarted(checkpoint, weights, model={"_name": architecture, "arch": architecture, **lists})
    return Shrunk(state, before, after)


def shrunk_state(checkpoint: Checkpoint) -> dict[str, Any] | None:
    """The shrunk checkpoint; None where nothing can be taken out because the model is no plain Transformer."""
    try:
        return shrink(checkpoint, allow_empty_cross_attention=True).state
    except PruneError:
        return None


def _check_keys(checkpoint: Checkpoint) -> None:
    """Refuses models that are not a plain Transformer, whose other parts could depend on what is removed."""
    assert checkpoint.matrices  # refuses what has none
    if any(key.startswith(f"{QUANTIZATION_MODULE}.") for key in checkpoint.state["model"]):
        raise PruneError(
            f"{checkpoint.path} is quantized, with activations measured in layers of its widths; shrink first, then run"
            " nmt-prune quantize, which measures them anew (--data)"
        )
    if foreign := [name for name in checkpoint.model if not _KNOWN_KEY.fullmatch(name)]:
        raise PruneError(
            f"{checkpoint.path} is not a plain fairseq Transformer: it has {foreign[0]}; shrink can remove heads and"
            " units only from the architectures transformer, masked_transformer and shrunk_transformer"
        )
    for stack in ("encoder", "decoder"):
        if not _layers(checkpoint, stack) or stack not in checkpoint.heads:
            raise PruneError(
                f"{checkpoint.path} has no {stack} layers, or its configuration no {stack}_attention_heads; shrink a"
                " checkpoint of an encoder-decoder Transformer that fairseq-train wrote"
            )


def _masks(checkpoint: Checkpoint) -> dict[str, Tensor]:
    masks = existing(checkpoint)
    for prunable, weight in checkpoint.matrices.items():
        if (weight[~masks[prunable.name]] != 0).any():
            raise PruneError(
                f"{checkpoint.path}: {prunable.name} has weights that its mask removes but that are not zero; shrink a"
                " checkpoint that this toolkit wrote"
            )
    return {name: masks[name] for name in masks}


def _layers(checkpoint: Checkpoint, stack: str) -> int:
    # Of an emptied sublayer nothing but this bias is left.
    return sum(name.startswith(f"{stack}.layers.") and name.endswith(".fc2.bias") for name in checkpoint.model)


def _sublayer(checkpoint: Checkpoint, stack: str, layer: int, block: str) -> Removable:
    prefix, settings = f"{stack}.layers.{layer}.", checkpoint.model_settings
    norm = f"{prefix}{'final' if block == 'ffn' else block}_layer_norm"
    norm_in_front = norm if settings.get(f"{stack}_normalize_before") else None
    if block == "ffn":
        function = _ACTIVATIONS.get(settings.get("activation_fn", "relu"))
        return Removable((f"{prefix}fc1",), f"{prefix}fc2", 1, function, norm_in_front)
    inputs = tuple(f"{prefix}{block}.{matrix}_proj" for matrix in "qkv")
    # In every layer, shrunk or not, this bias has the model's dimension.
    head_dim = checkpoint.model[f"{prefix}fc2.bias"].numel() // checkpoint.heads[stack]
    return Removable(inputs, f"{prefix}{block}.out_proj", head_dim, lambda value: value, norm_in_front)
