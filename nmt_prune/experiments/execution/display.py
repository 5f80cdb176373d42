"""Showing progress on a terminal, or as lines where there is none; the table of a dry run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from nmt_prune.experiments.execution.progress import Snapshot, clock
from nmt_prune.experiments.execution.states import run_states
from nmt_prune.experiments.planning.plan import Plan
from nmt_prune.pace import Pace, say, stderr_console
from nmt_prune.techniques.labels import is_searched


class Display(Protocol):
    """Something that shows progress."""

    def show(self, snapshot: Snapshot) -> None:
        """Shows the state now."""

    def say(self, message: str) -> None:
        """Says something once, at once."""


class Lines:
    """A line at most every 15 seconds."""

    def __init__(self, console: Console) -> None:
        self._console, self._pace = console, Pace(at_once=True)

    def show(self, snapshot: Snapshot) -> None:
        if self._pace.is_due():
            self.say(str(snapshot))

    def say(self, message: str) -> None:
        say(self._console, message)


class Bars:
    """A bar for the whole experiment and one for each training, redrawn in place."""

    def __init__(self, console: Console, live: Live) -> None:
        self._console = console
        self._live = live

    def show(self, snapshot: Snapshot) -> None:
        bars = Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}", markup=False))
        left = "" if snapshot.left is None else f", about {clock(snapshot.left)} left"
        note = f"{snapshot.counts}, {clock(snapshot.elapsed)} elapsed{left}"
        steps, done = len(snapshot.runs) + snapshot.to_score, snapshot.trained + snapshot.scored
        bars.add_task("all", total=steps, completed=done, note=note)
        for running in snapshot.running:
            total = running.run.updates or None  # without updates a bar that only moves
            bars.add_task(running.run.name, total=total, completed=running.done, note=running.progress)
        self._live.update(bars, refresh=True)

    def say(self, message: str) -> None:
        say(self._console, message)


@contextmanager
def open_display() -> Iterator[Display]:
    """Opens the display that stderr allows."""
    console = stderr_console()
    if not console.is_terminal:
        yield Lines(console)
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield Bars(console, live)


def plan_table(plan: Plan) -> Table:
    """The plan for a dry run."""
    table = Table("run", "parent", "technique", box=None)
    for column in ("sparsity", "updates", "total"):
        table.add_column(column, justify="right")
    table.add_column("state")
    for one in run_states(plan):
        run = one.run
        techniques = ", ".join([run.technique, *run.also])
        # What a search finds decides the sparsity of what follows from it.
        is_found = run.step == "search" or is_searched(run.technique)
        sparsity = "to be found" if is_found else f"{run.sparsity:.1%}"
        sparsity = f"0 as {sparsity}" if "size" in run.settings else sparsity
        numbers = sparsity, str(run.updates), str(run.total_updates)
        table.add_row(run.name, run.parent or "–", techniques, *numbers, one.state)
    return table
