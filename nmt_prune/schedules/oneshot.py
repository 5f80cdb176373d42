"""Prune once, in the middle of training."""

from dataclasses import dataclass

from nmt_prune.schedules import Schedule, schedules


@schedules.register("oneshot")
@dataclass(frozen=True)
class OneShot(Schedule):
    """The inherited sparsity until ``at`` updates, the final one from there on (See et al. 2016)."""

    at: int = 1

    @property
    def settled_at(self) -> int:
        return self.at

    def sparsity(self, update: int) -> float:
        return self.final if update >= self.at else self.inherited

    def changes_at(self, update: int) -> bool:
        return update == self.at
