"""Erdős-Rényi densities."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.pruning.budgets import Budget, apportion, budgets, select_counts


@budgets.register("erk")
@dataclass(frozen=True)
class ErdosRenyi(Budget):
    """Density of a matrix in proportion to (n_in + n_out) / (n_in · n_out), so large matrices become sparser.

    Evci et al. 2020 (RigL), appendix; for matrices the "kernel" variant is the same as Erdős-Rényi.
    """

    ranks_matrices = False

    def _distribute(self, scores: Mapping[str, Tensor], alive: MaskSet, sparsity: float, count: int) -> MaskSet:
        counts = apportion(
            weights=[sum(prunable.shape) for prunable in alive.prunables],
            capacities=[alive.kept(prunable) for prunable in alive.prunables],
            floors=[self._floor(prunable, alive, sparsity) for prunable in alive.prunables],
            count=count,
        )
        names = (prunable.name for prunable in alive.prunables)
        return select_counts(scores, alive, dict(zip(names, counts, strict=True)))
