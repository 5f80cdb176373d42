"""Sparse and dense phases in turn: AC/DC."""

from dataclasses import dataclass

from nmt_prune.errors import PruneError
from nmt_prune.pruning.schedules import Schedule, schedules


@schedules.register("acdc")
@dataclass(frozen=True)
class AcDc(Schedule):
    """Dense, then by turns sparse and dense for ``phase`` updates each, and from ``end`` on sparse for good.

    Peste et al. 2021. Each sparse phase begins with the best weights of all; in it the mask is fixed. A dense phase
    begins with what was masked at 0 and without moments (see nmt_prune.training.decompression). A sparse phase comes
    only where a whole dense one still fits in after it, so that the last dense phase takes what is left. The defaults
    are those of their 100 epochs on ImageNet: sparse from 10, 20, ... 70 for 5 epochs each, dense from 75, sparse from
    85 on.

    Args:
        begin: update at which the first sparse phase begins; by default 10 % of ``--max-update``.
        phase: updates of a phase; by default 5 %.
        end: update at which the last sparse phase begins; by default 85 %.

    Raises:
        PruneError: the settings contradict one another, ``--max-update`` is needed and missing, or training starts from
            a sparse model.
    """

    begin: int | None = None
    phase: int | None = None
    end: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_update <= 0 and None in (self.begin, self.phase, self.end):
            raise PruneError("schedule acdc: give --max-update, or all of begin=, phase= and end=")
        if self.inherited > 0:
            raise PruneError(
                f"schedule acdc has dense phases, and training starts {self.inherited:g} sparse: start from a dense"
                " checkpoint, or take --schedule cubic"
            )
        if self._phase < 1 or self._begin < 1:
            raise PruneError(f"schedule acdc: begin={self._begin} and phase={self._phase} must be at least 1")
        if self.settled_at < self._begin + 2 * self._phase:
            raise PruneError(
                f"schedule acdc: no sparse and dense phase of {self._phase} updates each fit in between"
                f" begin={self._begin} and end={self.settled_at}"
            )
        if 0 < self.max_update < self.settled_at:
            raise PruneError(f"schedule acdc: end={self.settled_at} lies after --max-update {self.max_update}")

    @property
    def settled_at(self) -> int:
        return round(0.85 * self.max_update) if self.end is None else self.end

    @property
    def _begin(self) -> int:
        return max(1, round(0.1 * self.max_update)) if self.begin is None else self.begin

    @property
    def _phase(self) -> int:
        return max(1, round(0.05 * self.max_update)) if self.phase is None else self.phase

    def sparsity(self, update: int) -> float:
        return self.final if self._is_sparse(update) else 0.0

    def changes_at(self, update: int) -> bool:
        return update > 0 and self._is_sparse(update) != self._is_sparse(update - 1)

    def _is_sparse(self, update: int) -> bool:
        if update >= self.settled_at:
            return True
        past = (update - self._begin) % (2 * self._phase)
        return update >= self._begin and past < self._phase and update - past + 2 * self._phase <= self.settled_at
