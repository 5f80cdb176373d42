"""How far an experiment is, read off its files, and how long it still takes."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from nmt_prune.experiments.execution.training_log import read_state
from nmt_prune.experiments.planning.plan import Plan
from nmt_prune.experiments.planning.runs import Run, path_lengths
from nmt_prune.files import read_json


@dataclass(frozen=True)
class Running:
    """A training that is going on: updates done of those of this run, and the last validation BLEU.

    While a mask grows BLEU counts as 0, which says nothing, and there is none here.
    """

    run: Run
    done: int
    bleu: float | None

    def __str__(self) -> str:
        bleu = "" if self.bleu is None else f" BLEU {self.bleu:.1f}"
        return f"{self.run.name} {self.done}/{self.run.updates}{bleu}"


@dataclass(frozen=True)
class Snapshot:
    """The state at one moment.

    Attributes:
        trained: runs that are trained.
        to_train: all runs.
        scored: runs that are scored.
        to_score: all runs that have a model to be scored.
        running: trainings that are going on.
        elapsed: seconds since the runner was started.
        left: seconds that all will still take; None while that cannot be said.
    """

    trained: int
    to_train: int
    scored: int
    to_score: int
    running: list[Running]
    elapsed: float
    left: float | None

    def __str__(self) -> str:
        done = f"{self.trained}/{self.to_train} trained, {self.scored}/{self.to_score} scored"
        parts = [f"[{clock(self.elapsed)}] {done}", *map(str, self.running)]
        if self.left is not None:
            parts.append(f"about {clock(self.left)} left")
        return " · ".join(parts)


@dataclass
class Monitor:
    """Looks at the files of a plan from time to time.

    Attributes:
        plan: the plan.
        cores: trainings side by side.
    """

    plan: Plan
    cores: int
    started: float = field(default_factory=time.time)
    _first: dict[str, tuple[float, int]] = field(default_factory=dict)
    _last: dict[str, tuple[float, int]] = field(default_factory=dict)

    def look(self) -> Snapshot:
        """The state now."""
        folders = {run.name: self.plan.folder(run) for run in self.plan.runs}
        trained = {name for name, folder in folders.items() if folder.trained.exists()}
        scored = {name for name, folder in folders.items() if folder.scores.exists()}
        running, left = [], {}
        for run in self.plan.runs:
            done = run.updates if run.name in trained else 0
            if run.name not in trained and self._is_running(run):
                state = read_state(folders[run.name].log)
                done = self._note(run, state.update)
                running.append(Running(run, done, state.bleu or None))
            left[run.name] = run.updates - done
        return Snapshot(
            trained=len(trained),
            to_train=len(self.plan.runs),
            scored=len(trained & scored),
            to_score=sum(run.is_scored for run in self.plan.runs),
            running=running,
            elapsed=time.time() - self.started,
            left=self._time_left(left, [folders[name].scores for name in scored]),
        )

    def _is_running(self, run: Run) -> bool:
        """Whether this runner has begun the training: its log is younger than the runner; and not seen it fail."""
        if self.plan.failure("train", run.name).exists():
            return False
        try:
            return self.plan.folder(run).log.stat().st_mtime >= self.started
        except FileNotFoundError:
            return False

    def _note(self, run: Run, update: int | None) -> int:
        """Remembers when which update was seen.

        Returns:
            Updates done of this run.
        """
        if update is None:
            return 0
        self._first.setdefault(run.name, (time.time(), update))
        if update > self._last.get(run.name, (0.0, -1))[1]:
            self._last[run.name] = time.time(), update
        return min(max(update - run.first_update, 0), run.updates)

    def _time_left(self, left: dict[str, int], scores: list[Path]) -> float | None:
        """No less than the longest chain takes alone, and than all updates on all cores; scoring comes on top."""
        spans = [(self._first[name], last) for name, last in self._last.items()]
        seconds = _seconds_per_update(spans)
        if seconds is None:
            return None
        chain = max(path_lengths(self.plan.runs, left).values())
        training = seconds * max(chain, sum(left.values()) / self.cores)
        times = [read_json(path).get("seconds", 0.0) for path in scores]
        scoring = sum(times) / len(times) * (len(left) - len(times)) / self.cores if times else 0.0
        return training + scoring


def _seconds_per_update(spans: Iterable[tuple[tuple[float, int], tuple[float, int]]]) -> float | None:
    seconds, updates = 0.0, 0
    for (begin, first), (end, last) in spans:
        seconds, updates = seconds + end - begin, updates + last - first
    return seconds / updates if updates > 0 else None


def clock(seconds: float) -> str:
    """Hours, minutes and seconds, e.g. ``0:03:20``."""
    return str(timedelta(seconds=round(seconds)))
