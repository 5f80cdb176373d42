"""Evenly spaced weights and activations."""

from dataclasses import dataclass

from nmt_prune.pruning.quantization import Quantizer, check_bits, quantizers
from nmt_prune.pruning.quantization.grid import Grid, UniformGrid


@quantizers.register("uniform")
@dataclass(frozen=True)
class Uniform(Quantizer):
    """Statistics-based uniform quantization (Zhang, Colbert & Das 2022): weights per row, activations per tensor.

    The scale of a row is the running mean over updates of max |w_c| / 2^(b-1), the range of an activation that of its
    minimum and its maximum. Published are 8/8, 4/4 and 4/8 bits of weights and activations. Where the authors' code
    does not saturate and limits gradients by their own size, here values saturate and a saturated activation gets no
    gradient.

    Args:
        weight_bits: 4 or 8.

    Raises:
        PruneError: another number of bits.
    """

    activation_bits: int = 8
    vocabulary_bits: int = 8
    weight_bits: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bits("weight_bits", self.weight_bits, (4, 8))

    @property
    def body(self) -> Grid:
        return UniformGrid(self.weight_bits)
