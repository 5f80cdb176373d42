"""Group lasso."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nmt_prune.pruning.regularisers import Regulariser, regularisers


@regularisers.register("group-lasso")
@dataclass(frozen=True)
class GroupLasso(Regulariser):
    """R = Σ_j a_j (Yuan & Lin 2006; Behnke & Heafield 2021).

    The groups are those of ``--group``: with ``unit`` row j of fc1 and column j of fc2 are one group, as they have to
    be to become zero together. Biases belong to no group, as in pruning. The weight that Behnke & Heafield used is not
    published.
    """

    def penalty(self, norms: Tensor) -> Tensor:
        return norms.sum()

    def shrinks(self, norms: Tensor) -> Tensor:
        return torch.ones_like(norms, dtype=torch.bool)
