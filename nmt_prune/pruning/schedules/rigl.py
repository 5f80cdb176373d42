"""A constant sparsity whose mask moves: RigL."""

from dataclasses import dataclass
from math import cos, pi

from nmt_prune.errors import PruneError
from nmt_prune.pruning.schedules import MovingSchedule, schedules


@schedules.register("rigl")
@dataclass(frozen=True)
class Rigl(MovingSchedule):
    """The final sparsity from the first update on; every ``interval`` updates weights are dropped and others grown.

    Evci et al. 2020, algorithm 1: until T_end a share f(t) = share / 2 · (1 + cos(π t / T_end)) of the weights of each
    matrix moves (see nmt_prune.training.regrowth). The paper starts from a random mask with an ERK budget.

    Args:
        interval: ΔT, updates between two moves.
        end: T_end as a share of ``--max-update``.
        share: α, share of a matrix's weights that moves at first.

    Raises:
        PruneError: a setting is out of range, ``--max-update`` is missing, or nothing is pruned.
    """

    interval: int = 100
    end: float = 0.75
    share: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.interval < 1:
            raise PruneError(f"schedule rigl: interval={self.interval} must be at least 1")
        if not 0 < self.end <= 1:
            raise PruneError(f"schedule rigl: end={self.end:g} is outside (0, 1]; it is a share of --max-update")
        if not 0 < self.share <= 1:
            raise PruneError(f"schedule rigl: share={self.share:g} is outside (0, 1]")
        if self.max_update <= 0:
            raise PruneError("schedule rigl: give --max-update, which says when weights stop moving")
        if self.final == 0:
            raise PruneError("schedule rigl: give --sparsity; in a dense model there is nothing to grow")

    @property
    def settled_at(self) -> int:
        return 0

    def sparsity(self, update: int) -> float:
        return self.final

    def is_over(self, update: int) -> bool:
        return update >= self.end * self.max_update

    def moves_at(self, update: int) -> bool:
        return 0 < update < self.end * self.max_update and update % self.interval == 0

    def moving_share(self, update: int) -> float:
        return self.share / 2 * (1 + cos(pi * update / (self.end * self.max_update)))
