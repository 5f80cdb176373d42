"""Gradual magnitude pruning."""

from dataclasses import dataclass

from nmt_prune.errors import PruneError
from nmt_prune.pruning.schedules import Schedule, schedules


@schedules.register("cubic")
@dataclass(frozen=True)
class Cubic(Schedule):
    """s_t = s_T + (s_0 - s_T) (1 - (t - begin) / (end - begin))^exponent, every ``interval`` updates.

    Zhu & Gupta 2018, equation 1. The defaults are MP of Brix 2020: from the first update on, every 2 % of training,
    the final sparsity at 80 % of training (500 k updates: every 10 k until 400 k), the last 20 % with a fixed mask;
    pruning until the last update collapses (Gale 2019).

    Args:
        initial: s_0; by default the sparsity that training starts with.
        begin: update at which pruning begins.
        end: update at which the final sparsity is reached; by default 80 % of ``--max-update``.
        interval: updates between two mask changes; by default 2 % of ``--max-update``.
        exponent: 3 for the cubic schedule, 1 for a linear one.

    Raises:
        PruneError: the settings contradict one another, or ``--max-update`` is needed and missing.
    """

    initial: float | None = None
    begin: int = 0
    end: int | None = None
    interval: int | None = None
    exponent: float = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_update <= 0 and None in (self.end, self.interval):
            raise PruneError("schedule cubic: give --max-update, or both end= and interval=")
        if not 0 <= self.begin < self.settled_at:
            raise PruneError(f"schedule cubic: begin={self.begin} must lie before end={self.settled_at}")
        if self._interval < 1:
            raise PruneError(f"schedule cubic: interval={self.interval} must be at least 1")
        if not self.exponent > 0:
            raise PruneError(f"schedule cubic: exponent={self.exponent:g} must be above 0")
        if 0 < self.max_update < self.settled_at:
            raise PruneError(f"schedule cubic: end={self.settled_at} lies after --max-update {self.max_update}")
        if not 0 <= self._initial <= self.final:
            raise PruneError(f"schedule cubic: initial={self._initial:g} must lie in [0, --sparsity {self.final:g}]")

    @property
    def settled_at(self) -> int:
        return round(0.8 * self.max_update) if self.end is None else self.end

    @property
    def _interval(self) -> int:
        return max(1, round(0.02 * self.max_update)) if self.interval is None else self.interval

    @property
    def _initial(self) -> float:
        return self.inherited if self.initial is None else self.initial

    def sparsity(self, update: int) -> float:
        progress = min(max((update - self.begin) / (self.settled_at - self.begin), 0.0), 1.0)
        return self.final + (self._initial - self.final) * (1 - progress) ** self.exponent

    def changes_at(self, update: int) -> bool:
        inside = self.begin < update <= self.settled_at
        return inside and ((update - self.begin) % self._interval == 0 or update == self.settled_at)
