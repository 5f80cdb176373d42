"""Prune once, in the middle of training."""

from dataclasses import dataclass

from nmt_prune.errors import PruneError
from nmt_prune.pruning.schedules import Schedule, schedules


@schedules.register("oneshot")
@dataclass(frozen=True)
class OneShot(Schedule):
    """The inherited sparsity until ``at`` updates, the final one from there on (See et al. 2016).

    Raises:
        PruneError: ``at`` lies outside the training, or less would be pruned than already is.
    """

    at: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.at < 0 or 0 < self.max_update < self.at:
            raise PruneError(f"schedule oneshot: at={self.at} must lie between 0 and --max-update {self.max_update}")
        if self.final < self.inherited:
            raise PruneError(f"--sparsity {self.final:g} is below what is already pruned ({self.inherited:g})")

    @property
    def settled_at(self) -> int:
        return self.at

    def sparsity(self, update: int) -> float:
        return self.final if update >= self.at else self.inherited

    def changes_at(self, update: int) -> bool:
        return update == self.at
