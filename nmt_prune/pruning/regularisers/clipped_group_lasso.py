"""Weight penalty clipping."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.pruning.regularisers import Regulariser, regularisers


@regularisers.register("clipped-group-lasso")
@dataclass(frozen=True)
class ClippedGroupLasso(Regulariser):
    """R = Σ_j min(a_j, δ), δ = ratio · mean_j a_j of the same family, at every step (WPC; Yang, He & Fan 2020).

    Large groups are left alone, and so is the distribution that ternary weights need. Here δ is a constant to the
    gradient: in the original's code it is not, so that clipped groups are pulled at too and small ones too strongly.
    A group of zeros has the gradient 0, where the original's is NaN.

    Args:
        ratio: r; groups below that share of the mean norm are penalised.

    Raises:
        PruneError: the ratio is not positive.
    """

    ratio: float = 0.7

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.ratio > 0:
            raise PruneError(f"regulariser clipped-group-lasso: ratio={self.ratio:g} must be above 0")

    def penalty(self, norms: Tensor) -> Tensor:
        return torch.where(self.shrinks(norms), norms, self._limit(norms)).sum()

    def shrinks(self, norms: Tensor) -> Tensor:
        return norms.detach() < self._limit(norms)

    def _limit(self, norms: Tensor) -> Tensor:
        return self.ratio * norms.detach().mean()
