"""What a model takes in memory and on disk, counted from its masks."""

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.checkpoints.weights import parameter_count
from nmt_prune.masks.mask_set import MaskSet

VALUE_BYTES = 4  # fp32


def memory_bytes(checkpoint: Checkpoint) -> int:
    """Bytes of a checkpoint's parameters in fp32, tied ones once, masked ones as zeros, without optimizer state.

    Shrink it first to count what is left of it.
    """
    return VALUE_BYTES * parameter_count(checkpoint)


def bitmask_bytes(masks: MaskSet, parameters: int) -> int:
    """Bytes of a model's surviving weights in fp32 with, for each pruned matrix, one bit per weight to say which.

    A matrix that is not pruned needs no bits. The padding row of an embedding is zero and not stored.

    Args:
        masks: masks of all its matrices.
        parameters: number of all its parameters, tied ones once; those outside of the matrices are stored as they are.
    """
    matrices = {prunable: prunable.shape[0] * prunable.shape[1] for prunable in masks.prunables}
    total = VALUE_BYTES * (parameters - sum(matrices.values()))
    for prunable, size in matrices.items():
        kept = masks.kept(prunable)
        total += VALUE_BYTES * kept + (0 if kept == prunable.size else -(-size // 8))
    return total
