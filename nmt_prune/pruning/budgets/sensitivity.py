"""Densities by how much the loss rises when a matrix alone is pruned."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.selection import select
from nmt_prune.pruning.budgets import Budget, apportion, budgets, select_counts


@budgets.register("sensitivity")
@dataclass(frozen=True)
class Sensitivity(Budget):
    """Each matrix alone is pruned by the share that all are to lose; the more the loss rises, the more it keeps.

    The pass over the matrices is that of Han et al. 2015, who then choose thresholds by hand. Here a matrix (or family
    of groups) keeps weights in proportion to existing^(1 - power) · rise^power: with a power of 1/2, what makes the sum
    of the rises smallest if each falls as one over the density. Nothing that exists is emptied. The loss is that of the
    calibration batches, without dropout and label smoothing; the pass costs one evaluation of them per matrix and one
    more, at every mask change.

    Args:
        floor: every matrix keeps at least this share of the overall density.
        power: how far the rises decide: 0 is the same share of every matrix, 1 in proportion to the rises.

    Raises:
        PruneError: the power is outside [0, 1], or there is no training data.
    """

    is_measured = True

    floor: float = 0.25
    power: float = 0.5
    loss: Callable[[MaskSet], float] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.power <= 1:
            raise PruneError(f"budget sensitivity: power={self.power:g} is outside [0, 1]")

    def measuring(self, loss: Callable[[MaskSet], float]) -> "Sensitivity":
        return replace(self, loss=loss)

    def _distribute(self, scores: Mapping[str, Tensor], alive: MaskSet, sparsity: float, count: int) -> MaskSet:
        existing = {prunable.name: alive.kept(prunable) for prunable in alive.prunables}
        if count == sum(existing.values()):
            return alive
        rises = self._rises(scores, alive, count / sum(existing.values()))
        largest = max(rises.values())
        # Where no loss rises, or its own does not, the power alone would leave nothing to share out by.
        shares = {name: max(rise / largest, 1e-6) if largest > 0 else 1.0 for name, rise in rises.items()}
        counts = apportion(
            weights=[max(kept, 1) ** (1 - self.power) * shares[name] ** self.power for name, kept in existing.items()],
            capacities=list(existing.values()),
            floors=[
                max(self._floor(prunable, alive, sparsity), min(1, existing[prunable.name]))
                for prunable in alive.prunables
            ],
            count=count,
        )
        return select_counts(scores, alive, dict(zip(existing, counts, strict=True)))

    def _rises(self, scores: Mapping[str, Tensor], alive: MaskSet, share: float) -> dict[str, float]:
        """By how much the loss rises when a matrix alone keeps a share of what it has."""
        assert self.loss is not None
        before, rises = self.loss(alive), {}
        for prunable in alive.prunables:
            name, places = prunable.name, round(share * alive.kept(prunable))
            kept = select(scores, {name: alive.candidates(prunable)}, places)[name]
            alone = MaskSet({other: kept if other == prunable else alive[other.name] for other in alive.prunables})
            rises[name] = self.loss(alone) - before
        return rises
