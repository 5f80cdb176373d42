"""Which weights of a checkpoint are there, and how many."""

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import PADDING_INDEX

_ROUNDED = 1e-3
"""Share of zeros up to which a checkpoint counts as dense."""


def existing(checkpoint: Checkpoint) -> MaskSet:
    """The weights that exist: by the checkpoint's masks, or where it has none (a stock checkpoint), those not zero."""
    if checkpoint.has_masks:
        return checkpoint.masks
    return MaskSet({prunable: weight != 0 for prunable, weight in checkpoint.matrices.items()})


def zeros(checkpoint: Checkpoint) -> float:
    """Share of the prunable weights that is zero, as in a pruned checkpoint without masks.

    Rows of padding count as none, and so does what half precision rounds to zero, a few weights of a million.
    """
    gone = 0
    for prunable, weight in checkpoint.matrices.items():
        gone += int((weight == 0).sum())
        if not prunable.in_body and len(weight) > PADDING_INDEX:
            gone -= int((weight[PADDING_INDEX] == 0).sum())
    share = gone / sum(prunable.size for prunable in checkpoint.matrices)
    return share if share > _ROUNDED else 0.0


def parameter_count(checkpoint: Checkpoint) -> int:
    """Parameters of a checkpoint's model, tied matrices once, without fairseq's bookkeeping buffers."""
    aliases = {alias for prunable in checkpoint.matrices for alias in prunable.aliases}
    return sum(tensor.numel() for name, tensor in checkpoint.model.items() if name not in aliases and is_weight(name))


def is_weight(name: str) -> bool:
    """Whether a state-dict entry is trained, as opposed to ``version`` and ``_float_tensor`` buffers."""
    return name.rsplit(".", 1)[-1] not in ("version", "_float_tensor")
