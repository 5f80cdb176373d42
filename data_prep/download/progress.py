"""How far downloads are: bars on a terminal, else a line now and then."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from data_prep.progress import Progress, Report
from nmt_prune.pace import say, stderr_console

Moved = Callable[[int], None]


class Meters(Protocol):
    """Something that shows downloads side by side."""

    def open(self, name: str, size: int) -> AbstractContextManager[Moved]:
        """Shows a file of ``size`` bytes while the context lasts; what it yields is called with the bytes held."""

    def say(self, line: str) -> None:
        """Says something once, at once."""


class _Lines:
    def __init__(self, report: Report) -> None:
        self.say = report

    @contextmanager
    def open(self, name: str, size: int) -> Iterator[Moved]:
        progress = Progress(name, self.say)
        yield lambda held: progress.at(held, size)


class _Bars:
    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    @contextmanager
    def open(self, name: str, size: int) -> Iterator[Moved]:
        bar = self._bars.add_task(name, total=size)
        try:
            yield lambda held: self._bars.update(bar, completed=held)
        finally:
            self._bars.remove_task(bar)

    def say(self, line: str) -> None:
        say(self._bars.console, line)


@contextmanager
def open_meters(report: Report) -> Iterator[Meters]:
    """Opens the display that stderr allows.

    Args:
        report: called with the lines where stderr is no terminal.
    """
    console = stderr_console()
    if not console.is_terminal:
        yield _Lines(report)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        yield _Bars(bars)
