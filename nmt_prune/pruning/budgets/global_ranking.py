"""One ranking over all matrices."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.pruning.budgets import Budget, budgets, select_globally


@budgets.register("global")
@dataclass(frozen=True)
class Global(Budget):
    """The best weights of the whole model survive, wherever they are (Yu 2020; "class-blind" in See et al. 2016).

    Embeddings and projections differ in scale, so a global ranking trades them off arbitrarily; see ``global-body``.
    """

    def _distribute(self, scores: Mapping[str, Tensor], alive: MaskSet, sparsity: float, count: int) -> MaskSet:
        floors = {prunable.name: self._floor(prunable, alive, sparsity) for prunable in alive.prunables}
        kept = select_globally(scores, alive, floors, count)
        return MaskSet({prunable: kept[prunable.name] for prunable in alive.prunables})
