"""Gradual pruning whose mask moves: GraNet."""

from dataclasses import dataclass
from math import cos, pi

from nmt_prune.errors import PruneError
from nmt_prune.pruning.schedules import MovingSchedule, schedules
from nmt_prune.pruning.schedules.cubic import Cubic


@schedules.register("granet")
@dataclass(frozen=True)
class GraNet(Cubic, MovingSchedule):
    """``cubic``, and after each change a share of the survivors is dropped and as many grown (Liu et al. 2021).

    What is dropped are the smallest of each matrix, what is grown is where its gradient is largest (see
    nmt_prune.training.regrowth), a share of r(t) = share / 2 · (1 + cos(π (t - begin) / (end - begin))). The last mask
    is that of the last change: the original's code goes on moving it. It regrows by the gradient of the update before
    the change, here by that of the update after it, which the pruned model has.

    Args:
        share: r, share of a matrix's weights that is dropped and grown at first.

    Raises:
        PruneError: the settings contradict one another, or ``--max-update`` is needed and missing.
    """

    share: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share <= 1:
            raise PruneError(f"schedule granet: share={self.share:g} is outside (0, 1]")

    def moves_at(self, update: int) -> bool:
        return update < self.settled_at and self.changes_at(update)

    def moving_share(self, update: int) -> float:
        return self.share / 2 * (1 + cos(pi * (update - self.begin) / (self.settled_at - self.begin)))
