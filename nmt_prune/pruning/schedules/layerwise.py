"""One sublayer after the other."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from nmt_prune.errors import PruneError
from nmt_prune.pruning.schedules import Schedule, schedules


@schedules.register("layerwise")
@dataclass(frozen=True)
class Layerwise(Schedule):
    """The stages of ``--budget layerwise``, training going on between them (Zhang, Colbert & Das 2022).

    Each matrix or family of groups is pruned to its final count at once; the next follows ``window`` updates later. The
    original measures in the course of a window; here the calibration batches are measured as it ends.

    Args:
        begin: updates before the first is pruned.
        end: updates before the last is pruned; by default 80 % of ``--max-update``.
        window: updates between two; by default they are spread evenly from ``begin`` to ``end``.
        stages: the sparsity after each.

    Raises:
        PruneError: the settings contradict one another, ``--max-update`` is needed and missing, or the budget has no
            stages.
    """

    begin: int = 0
    end: int | None = None
    window: int | None = None
    stages: Sequence[float] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.stages) < 2 and self.final > self.inherited:
            raise PruneError("schedule layerwise prunes one sublayer after the other: also give --budget layerwise")
        if self.window is not None and self.end is not None:
            raise PruneError("schedule layerwise: window= and end= both say when the last is pruned; give one of them")
        if self.max_update <= 0 and self.window is None and self.end is None:
            raise PruneError("schedule layerwise: give --max-update, window= or end=")
        if self.window is not None and self.window < 1:
            raise PruneError(f"schedule layerwise: window={self.window} must be at least 1")
        if self.begin < 0:
            raise PruneError(f"schedule layerwise: begin={self.begin} must be at least 0")
        if self.settled_at - self.begin < len(self.stages) - 1:
            raise PruneError(
                f"schedule layerwise: {len(self.stages)} sublayers need as many updates; end={self.settled_at} is too"
                f" close to begin={self.begin}"
            )
        if 0 < self.max_update < self.settled_at:
            raise PruneError(
                f"schedule layerwise: the last of {len(self.stages)} sublayers is pruned at update {self.settled_at},"
                f" after --max-update {self.max_update}"
            )

    @property
    def settled_at(self) -> int:
        if self.window is not None:
            return self.begin + self.window * max(len(self.stages) - 1, 0)
        return round(0.8 * self.max_update) if self.end is None else self.end

    def sparsity(self, update: int) -> float:
        reached = [sparsity for when, sparsity in zip(self._updates(), self.stages, strict=True) if when <= update]
        return reached[-1] if reached else self.inherited

    def changes_at(self, update: int) -> bool:
        return update in self._updates()

    def _updates(self) -> list[int]:
        """The update at which each stage is reached."""
        steps, span = max(len(self.stages) - 1, 1), self.settled_at - self.begin
        return [self.begin + span * step // steps for step in range(len(self.stages))]
