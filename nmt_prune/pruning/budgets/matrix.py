"""The same sparsity in every matrix."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.pruning.budgets import Budget, apportion, budgets, select_counts


@budgets.register("matrix")
@dataclass(frozen=True)
class PerMatrix(Budget):
    """Every matrix at the target sparsity (Brix 2020, section 4; Gale 2019, "uniform")."""

    ranks_matrices = False

    def _distribute(self, scores: Mapping[str, Tensor], alive: MaskSet, sparsity: float, count: int) -> MaskSet:
        # A matrix that is already sparser than the target keeps all it has; the others make up for it.
        counts = apportion(
            weights=[prunable.size for prunable in alive.prunables],
            capacities=[alive.kept(prunable) for prunable in alive.prunables],
            floors=[0] * len(alive.prunables),
            count=count,
        )
        names = (prunable.name for prunable in alive.prunables)
        return select_counts(scores, alive, dict(zip(names, counts, strict=True)))
