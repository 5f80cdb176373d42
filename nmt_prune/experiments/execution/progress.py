"""How far an experiment is, read off its files, and how long it still takes."""

import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from nmt_prune.experiments.execution.states import RunState, run_states
from nmt_prune.experiments.planning.plan import Plan
from nmt_prune.experiments.planning.runs import path_lengths


@dataclass(frozen=True)
class Snapshot:
    """The state at one moment.

    Attributes:
        runs: what each run is doing.
        elapsed: seconds since the runner was started.
        left: seconds that all will still take; None while that cannot be said.
    """

    runs: Sequence[RunState]
    elapsed: float
    left: float | None

    @property
    def trained(self) -> int:
        """Runs that are trained."""
        return sum(one.is_trained for one in self.runs)

    @property
    def scored(self) -> int:
        """Runs that are scored."""
        return sum(one.state == "done" and one.run.is_scored for one in self.runs)

    @property
    def to_score(self) -> int:
        """All runs that have a model to be scored."""
        return sum(one.run.is_scored for one in self.runs)

    @property
    def running(self) -> list[RunState]:
        """Trainings that are going on."""
        return [one for one in self.runs if one.state == "running"]

    @property
    def counts(self) -> str:
        """How many runs are done."""
        return f"{self.trained}/{len(self.runs)} trained, {self.scored}/{self.to_score} scored"

    def __str__(self) -> str:
        parts = [f"[{clock(self.elapsed)}] {self.counts}", *map(str, self.running)]
        if self.left is not None:
            parts.append(f"about {clock(self.left)} left")
        return " · ".join(parts)


@dataclass
class Monitor:
    """Looks at the files of a plan from time to time.

    Attributes:
        plan: the plan.
        started: when its runner was, in seconds since the epoch.
    """

    plan: Plan
    started: float = field(default_factory=time.time)
    _first: dict[str, tuple[float, int]] = field(default_factory=dict)
    _last: dict[str, tuple[float, int]] = field(default_factory=dict)

    def look(self) -> Snapshot:
        """The state now."""
        states = run_states(self.plan)
        for one in states:
            if one.state == "running" and one.log.update is not None:
                self._note(one.run.name, one.log.update)
        return Snapshot(states, time.time() - self.started, self._time_left(states))

    def _note(self, name: str, update: int) -> None:
        """Remembers when which update was seen."""
        self._first.setdefault(name, (time.time(), update))
        if update > self._last.get(name, (0.0, -1))[1]:
            self._last[name] = time.time(), update

    def _time_left(self, states: Sequence[RunState]) -> float | None:
        """No less than the longest chain takes alone, and than all updates on all cores; scoring comes on top."""
        spans = [(self._first[name], last) for name, last in self._last.items()]
        seconds = _seconds_per_update(spans) or _as_logged(states)
        if seconds is None:
            return None
        left = {one.run.name: 0 if one.is_trained else one.run.updates - one.done for one in states}
        chain = max(path_lengths(self.plan.runs, left).values())
        training = seconds * max(chain, sum(left.values()) / self.plan.slots)
        times = [one.seconds_scored or 0.0 for one in states if one.run.is_scored and one.state == "done"]
        unscored = sum(one.run.is_scored for one in states) - len(times)
        scoring = sum(times) / len(times) * unscored / self.plan.slots if times else 0.0
        return training + scoring


def _as_logged(states: Iterable[RunState]) -> float | None:
    """Mean seconds per update of the trainings that are going on, as they say, without their validations."""
    logs = [one.log for one in states if one.state == "running"]
    speeds = [log.updates_per_second for log in logs if log.updates_per_second is not None]
    return statistics.fmean(1 / speed for speed in speeds) if speeds else None


def _seconds_per_update(spans: Iterable[tuple[tuple[float, int], tuple[float, int]]]) -> float | None:
    seconds, updates = 0.0, 0
    for (begin, first), (end, last) in spans:
        seconds, updates = seconds + end - begin, updates + last - first
    return seconds / updates if updates > 0 else None


def clock(seconds: float) -> str:
    """Hours, minutes and seconds, e.g. ``0:03:20``."""
    return str(timedelta(seconds=round(seconds)))
