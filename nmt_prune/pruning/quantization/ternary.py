"""Ternary weights."""

from dataclasses import dataclass
from typing import Literal

from nmt_prune.errors import PruneError
from nmt_prune.pruning.quantization import Quantizer, quantizers
from nmt_prune.pruning.quantization.grid import Grid, TernaryGrid


@quantizers.register("ternary")
@dataclass(frozen=True)
class Ternary(Quantizer):
    """Weights -α, 0 and α (Yang, He & Fan 2020): 0 where |w| < beta · max |w|, α the mean |w| of the others.

    Both are computed anew in every update, α for each row (output) by default: query and key errors go through a
    softmax. The first and the last layer, embeddings and output projection, keep full precision.

    Args:
        beta: share of the largest weight of a matrix; 0.05, or 0.03 together with weight penalty clipping.
        per: whether α is that of a ``row`` or of the whole ``tensor``, as published for convolutions.
        limit: weights of at least this size get no gradient.

    Raises:
        PruneError: a setting is out of range.
    """

    beta: float = 0.05
    per: Literal["row", "tensor"] = "row"
    limit: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.beta < 1 or not self.limit > 0:
            raise PruneError(f"quantizer ternary: beta={self.beta:g} must lie in [0, 1), limit={self.limit:g} above 0")

    @property
    def body(self) -> Grid:
        return TernaryGrid(self.beta, self.per, self.limit)
