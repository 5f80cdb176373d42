"""Schedules: sparsity as a function of the update number."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from nmt_prune.errors import PruneError
from nmt_prune.registry import Registry

schedules: Registry["Schedule"] = Registry("schedule", __name__)


@dataclass(frozen=True)
class Schedule(ABC):
    """When the mask changes, and to which sparsity.

    Args:
        final: sparsity s_T that training ends with, in [0, 1).
        inherited: sparsity of the mask that training starts from (0 for a dense model).
        max_update: length T of the training in updates; 0 if it is not limited.
    """

    final: float = field(kw_only=True)
    inherited: float = field(default=0.0, kw_only=True)
    max_update: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        if not 0 <= self.final < 1:
            raise PruneError(f"--sparsity {self.final:g} is outside [0, 1); it is the share of weights to remove")

    @property
    @abstractmethod
    def settled_at(self) -> int:
        """The first update at which the final sparsity has been reached."""

    @abstractmethod
    def sparsity(self, update: int) -> float:
        """Sparsity s_t after ``update`` updates."""

    def is_over(self, update: int) -> bool:
        """Whether a training that begins at this update, with the masks of update 0, would never change them."""
        return update >= self.settled_at and self.sparsity(0) < self.final

    def changes_at(self, update: int) -> bool:
        """Whether the mask is computed anew after ``update`` updates (at 0 the ticket is)."""
        return False


class MovingSchedule(Schedule):
    """A schedule of masks that also move at the same density (see nmt_prune.training.regrowth)."""

    @abstractmethod
    def moves_at(self, update: int) -> bool:
        """Whether weights are dropped and grown in the update that follows ``update`` others."""

    @abstractmethod
    def moving_share(self, update: int) -> float:
        """Share of a matrix's weights that is dropped and grown."""
