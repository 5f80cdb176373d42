"""All that is large enough survives."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.selection import checked
from nmt_prune.pruning.budgets import Budget, budgets, kept_count


@budgets.register("threshold")
@dataclass(frozen=True)
class Threshold(Budget):
    """What scores less than ``below`` goes, however much that is: the mask that a regulariser has left behind.

    The second stage of Yang, He & Fan 2020 freezes what is smaller than 1e-5 as zeros.

    Args:
        below: the least score that survives.

    Raises:
        PruneError: a sparsity is asked for as well, or a floor.
    """

    prunes_at_once = True

    below: float = 1e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.below > 0 or self.floor:
            raise PruneError(f"budget threshold: below={self.below:g} must be above 0, and there is no floor")

    def select(self, scores: Mapping[str, Tensor], alive: MaskSet, sparsity: float) -> MaskSet:
        total = sum(prunable.size for prunable in alive.prunables)
        existing = sum(alive.kept(prunable) for prunable in alive.prunables)
        if kept_count(total, sparsity) != existing:
            raise PruneError(f"budget threshold: the scores decide the sparsity; drop --sparsity {sparsity:g}")
        return self._distribute(scores, alive, sparsity, existing)

    def _distribute(self, scores: Mapping[str, Tensor], alive: MaskSet, sparsity: float, count: int) -> MaskSet:
        return MaskSet(
            {
                prunable: candidates & (checked(scores, prunable.name, candidates) >= self.below)
                for prunable in alive.prunables
                for candidates in [alive.candidates(prunable)]
            }
        )
