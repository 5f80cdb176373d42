"""N of every M consecutive weights, as sparse tensor cores want them."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.selection import checked
from nmt_prune.pruning.budgets import Budget, budgets


@budgets.register("nm")
@dataclass(frozen=True)
class NM(Budget):
    """Of every ``of`` consecutive inputs of an output the ``keep`` best survive (2:4 and others); ties go to the first.

    Args:
        keep: survivors of each run of weights.
        of: length of a run.

    Raises:
        PruneError: the numbers make no pattern, there is a floor, a matrix does not divide into runs, or the sparsity
            is not that of the pattern.
    """

    ranks_matrices = False
    prunes_at_once = True

    keep: int = 2
    of: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.keep < self.of:
            raise PruneError(f"budget nm: keep={self.keep} must lie between 0 and of={self.of}")
        if self.floor:
            raise PruneError(f"budget nm: every run of {self.of} keeps {self.keep}; leave floor={self.floor:g} out")

    def _distribute(self, scores: Mapping[str, Tensor], alive: MaskSet, sparsity: float, count: int) -> MaskSet:
        pattern = 1 - self.keep / self.of
        if abs(sparsity - pattern) > 1e-6:
            raise PruneError(f"budget nm: {self.keep} of {self.of} is sparsity {pattern:g}, not {sparsity:g}")
        masks = {}
        for prunable in alive.prunables:
            rows, columns = prunable.shape
            if columns % self.of:
                raise PruneError(f"budget nm: {prunable.name} has {columns} columns, not a multiple of of={self.of}")
            candidates = alive.candidates(prunable)
            score = checked(scores, prunable.name, candidates)
            runs = score.masked_fill(~candidates, -torch.inf).view(rows, -1, self.of)
            best = runs.argsort(dim=-1, descending=True, stable=True)[..., : self.keep]
            chosen = torch.zeros_like(runs, dtype=torch.bool).scatter_(-1, best, True)
            masks[prunable] = chosen.view(rows, columns) & candidates
        return MaskSet(masks)
