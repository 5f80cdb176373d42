"""What a model takes in memory and on disk, counted from its masks and bits."""

from dataclasses import dataclass

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.statistics import parameter_count
from nmt_prune.quantization.size import quantized_bytes

VALUE_BYTES = 4  # fp32


@dataclass(frozen=True)
class ModelSize:
    """Bytes of a model's parameters, tied ones once, without optimizer state.

    Attributes:
        used: in memory: every parameter of the checkpoint in fp32, masked ones as zeros.
        stored: on disk: surviving weights in their bits and an index; see nmt_prune.quantization.size.
    """

    used: int
    stored: int


def model_size(checkpoint: Checkpoint) -> ModelSize:
    """Counts the bytes of a checkpoint's model as it stands: shrink it first to count what is left of it."""
    return ModelSize(VALUE_BYTES * parameter_count(checkpoint), quantized_bytes(checkpoint))


def packed_bytes(masks: MaskSet, parameters: int) -> int:
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
