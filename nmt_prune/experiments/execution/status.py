"""What a recipe's folder says of a run that is going on elsewhere, was killed, failed, or has ended."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from nmt_prune.experiments.execution.progress import Monitor, Snapshot, clock
from nmt_prune.experiments.execution.states import RunState
from nmt_prune.experiments.planning.plan import Plan
from nmt_prune.files import read_json
from nmt_prune.processes import held_by, is_held


@dataclass(frozen=True)
class Status:
    """The state of an experiment at one moment.

    Attributes:
        plan: the plan.
        is_run: whether a runner is at work; one of another machine is as long as its lock names it.
        snapshot: the runs.
        problems: what went wrong with the steps of no single run: data and report.
        elsewhere: the runner, if it is one of another machine.
    """

    plan: Plan
    is_run: bool
    snapshot: Snapshot
    problems: Mapping[str, str]
    elsewhere: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return self.plan.reported.exists() and all(one.state == "done" for one in self.snapshot.runs)

    def heading(self) -> str:
        """What is done, who is at work, and how long it takes."""
        if self.is_done:
            work = f"done; the report is {self.plan.places.runs / 'report'}"
        elif self.elsewhere is not None:
            work = f"nmt-prune run is at work ({self.elsewhere}; rm {self.plan.lock} if it has ended there)"
        elif self.is_run:
            work = f"nmt-prune run is at work, {clock(self.snapshot.elapsed)} elapsed"
        else:
            work = "nothing is running; nmt-prune run goes on from here"
        left = "" if self.snapshot.left is None else f", about {clock(self.snapshot.left)} left"
        return f"{self.plan.places.runs}: {self.snapshot.counts}; {work}{left}"

    def shown(self) -> Group:
        """Heading, a table of the runs, and a line for everything that went wrong."""
        table = Table("run", "state", box=None)
        for column in ("updates", "dev BLEU", "BLEU"):
            table.add_column(column, justify="right")
        table.add_column("")
        for one in self.snapshot.runs:
            updates = f"{one.done}/{one.run.updates}" if one.run.updates else "–"
            table.add_row(one.run.name, one.state, updates, _bleu(one.dev_bleu), _bleu(one.bleu), Text(_note(one)))
        failed = {one.run.name: one.reason for one in self.snapshot.runs if one.state == "failed"}
        lines = [Text(f"{name} failed: {reason}") for name, reason in (failed | dict(self.problems)).items()]
        return Group(Text(self.heading()), table, *lines)

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "folder": str(self.plan.places.runs),
            "done": self.is_done,
            "running": self.is_run,
            "trained": self.snapshot.trained,
            "scored": self.snapshot.scored,
            "to_score": self.snapshot.to_score,
            "seconds_left": self.snapshot.left,
            "problems": dict(self.problems),
            "runs": [_as_json(one) for one in self.snapshot.runs],
        }


def watch(plan: Plan) -> Iterator[Status]:
    """The state now, as often as it is asked for: what it takes is learned from one look to the next."""
    monitor = Monitor(plan)
    while True:
        held = is_held(plan.lock)
        if is_run := held is not False:
            monitor.started = plan.lock.stat().st_mtime
        problems = {}
        for step in ("data", "report"):
            if (note := plan.failure(step)).exists():
                problems[step] = str(read_json(note)).removeprefix(f"{step} failed: ")
        yield Status(plan, is_run, monitor.look(), problems, held_by(plan.lock) if held is None else None)


def _note(one: RunState) -> str:
    if one.waits_for:
        return f"after {', '.join(one.waits_for)}"
    if one.has_ended_early:
        return "ended early"
    if one.state != "failed" and one.reason is not None:
        return one.reason
    if one.state != "running":
        return ""
    if not one.run.updates:
        return one.progress
    speeds = ((one.log.updates_per_second, "updates/s", ".2f"), (one.log.words_per_second, "words/s", ",.0f"))
    return ", ".join(f"{speed:{form}} {unit}" for speed, unit, form in speeds if speed is not None)


def _bleu(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _as_json(one: RunState) -> dict[str, Any]:
    return {
        "run": one.run.name,
        "state": one.state,
        "updates": one.done,
        "of": one.run.updates,
        "progress": one.progress if one.state == "running" else None,
        "ended_early": one.has_ended_early,
        "dev_bleu": one.dev_bleu,
        "bleu": one.bleu,
        "updates_per_second": one.log.updates_per_second if one.state == "running" else None,
        "words_per_second": one.log.words_per_second if one.state == "running" else None,
        "after": list(one.waits_for),
        "reason": one.reason,
    }
