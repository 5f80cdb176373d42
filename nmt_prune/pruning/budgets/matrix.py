"""The same sparsity in every matrix."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.pruning.budgets import Budget, apportion, budgets, select_counts


@budgets.register("matrix")
@dataclass(frozen=True)
class PerMatrix(Budget):
    """Every matrix at the target sparsity (Brix 2020, section 4; Gale 2019, "uniform").

    Args:
        embedding: density of embeddings and output projection as a multiple of the body's, above 0; the number of
            survivors is that of the target all the same, and a matrix that is full leaves the rest to the others.
    """

    ranks_matrices = False

    embedding: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.embedding > 0:
            raise PruneError(f"budget matrix: embedding={self.embedding:g} must be above 0")

    def _distribute(self, scores: Mapping[str, Tensor], alive: MaskSet, sparsity: float, count: int) -> MaskSet:
        if self.embedding != 1 and len({prunable.in_body for prunable in alive.prunables}) < 2:
            raise PruneError(
                f"budget matrix: embedding={self.embedding:g} weighs embeddings against the body, and only one of them"
                " is pruned here; leave it out, or give --prune-set all and --group element or block"
            )
        # A matrix that is already sparser than the target keeps all it has; the others make up for it.
        counts = apportion(
            weights=[prunable.size * (1 if prunable.in_body else self.embedding) for prunable in alive.prunables],
            capacities=[alive.kept(prunable) for prunable in alive.prunables],
            floors=[self._floor(prunable, alive, sparsity) for prunable in alive.prunables],
            count=count,
        )
        names = (prunable.name for prunable in alive.prunables)
        return select_counts(scores, alive, dict(zip(names, counts, strict=True)))
