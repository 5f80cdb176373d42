"""What each run of a plan is doing, read off its files and locks; nothing is written and no lock is taken."""

import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from nmt_prune.experiments.execution.training_log import LogState, dying_words, read_state
from nmt_prune.experiments.planning.plan import Plan
from nmt_prune.experiments.planning.runs import Run
from nmt_prune.files import read_json, read_object
from nmt_prune.processes import is_held

State = Literal["done", "running", "scoring", "to score", "failed", "waiting", "to resume", "to do"]

_FAILED = "failed: "
QUIET = 300.0
"""Seconds without a line in its log after which a step on another machine counts as gone."""


@dataclass(frozen=True)
class RunState:
    """What a run is doing.

    Attributes:
        run: the run.
        state: ``running`` is the training, or what the run is instead; ``waiting`` is for a run before it, a free
            core or a scheduler that has stopped it, while a runner is at work; ``to resume`` and ``to do`` are for a
            runner.
        log: what its training logged last.
        waits_for: runs that must be trained before.
        reason: why it failed, or was stopped.
        done: updates of this run that are done; all of them for a step without updates.
        is_trained: whether its training, or what it is instead, has ended.
        bleu: BLEU on the test set.
        seconds_scored: how long the scoring took.
    """

    run: Run
    state: State
    done: int = 0
    log: LogState = field(default_factory=LogState)
    is_trained: bool = False
    waits_for: tuple[str, ...] = ()
    reason: str | None = None
    bleu: float | None = None
    seconds_scored: float | None = None

    @property
    def has_ended_early(self) -> bool:
        """Whether the training ended before its last update, as ``--patience`` has it."""
        return self.is_trained and self.done < self.run.updates

    @property
    def dev_bleu(self) -> float | None:
        """The last validation BLEU; while a mask grows it counts as 0, which says nothing, and there is none here."""
        return self.log.bleu or None

    @property
    def progress(self) -> str:
        """How far it is: updates and dev BLEU, or of what knows no updates what it says."""
        if not self.run.updates:
            return self.log.last_line
        bleu = "" if self.dev_bleu is None else f" BLEU {self.dev_bleu:.1f}"
        return f"{self.done}/{self.run.updates}{bleu}"

    def __str__(self) -> str:
        return f"{self.run.name} {self.progress}".rstrip()


def run_states(plan: Plan) -> list[RunState]:
    """The state of each run of a plan, in its order.

    Raises:
        PruneError: a record is damaged.
    """
    is_run = is_held(plan.lock) is not False
    trained = {run.name for run in plan.runs if plan.folder(run).trained.exists()}
    return [
        _trained(plan, run, is_run) if run.name in trained else _untrained(plan, run, trained, is_run)
        for run in plan.runs
    ]


def _untrained(plan: Plan, run: Run, trained: Collection[str], is_run: bool) -> RunState:
    folder = plan.folder(run)
    is_at_work = _is_at_work(folder.lock, folder.log)
    has_begun = (folder.path / "checkpoint_last.pt").exists()
    log = read_state(folder.log) if is_at_work or has_begun else LogState()
    done = 0 if log.update is None else _within(run, log.update)
    if is_at_work:
        return RunState(run, "running", done, log)
    end = _end(plan.failure("train", run.name), f"train {run.name} ", folder.log, is_run)
    if end is not None and end.startswith(_FAILED):
        return RunState(run, "failed", done, log, reason=end.removeprefix(_FAILED))
    state: State = "waiting" if is_run else "to resume" if has_begun else "to do"
    waits_for = tuple(name for name in run.after if name not in trained)
    return RunState(run, state, done, log, waits_for=waits_for, reason=end)


def _trained(plan: Plan, run: Run, is_run: bool) -> RunState:
    folder = plan.folder(run)
    is_scored = folder.scores.exists()
    scores = read_object(folder.scores) if is_scored else {}
    log = read_state(folder.log) if run.step == "train" else LogState()
    updates = scores.get("updates")
    if updates is None:
        updates = run.updates if log.update is None else _within(run, log.update)
    bleu, seconds = scores.get("bleu"), scores.get("seconds")
    trained = RunState(run, "done", updates, log, is_trained=True, bleu=bleu, seconds_scored=seconds)
    if is_scored or not run.is_scored:
        return trained
    if _is_at_work(folder.lock, folder.score_log):
        return replace(trained, state="scoring")
    if end := _end(plan.failure("score", run.name), f"score {run.name} ", folder.score_log, is_run):
        return replace(trained, state="failed", reason=end.removeprefix(_FAILED))
    return replace(trained, state="to score")


def _within(run: Run, update: int) -> int:
    """An update number as updates of the run."""
    return min(max(update - run.first_update, 0), run.updates)


def _is_at_work(lock: Path, log: Path) -> bool:
    """Whether a process holds the lock. One of another machine cannot be seen: it is as long as it writes."""
    held = is_held(lock)
    if held is not None:
        return held
    try:
        return time.time() - log.stat().st_mtime < QUIET
    except FileNotFoundError:
        return False


def _end(note: Path, head: str, log: Path, is_run: bool) -> str | None:
    """How a step has failed or was stopped; without a runner also what the log ends with, as after a full disk."""
    if note.exists():
        return str(read_json(note)).removeprefix(head)
    words = None if is_run else dying_words(log)
    return None if words is None else f"{_FAILED}{words}; the log is {log}"
