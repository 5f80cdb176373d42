"""How fast something goes on, on stderr."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from nmt_prune import pace
from nmt_prune.cli.streams import say
from nmt_prune.pace import Pace

if TYPE_CHECKING:
    from rich.status import Status


class Meter:
    """Counts sentences, and says how many they are: in place on a terminal, else as a line now and then.

    Args:
        status: the place on the terminal; None where there is none.
        is_shown: whether to say anything but messages.
    """

    def __init__(self, status: "Status | None", is_shown: bool) -> None:
        self._status, self._is_shown = status, is_shown
        self._count = 0
        self._start, self._pace = time.monotonic(), Pace()

    def advance(self) -> None:
        """Counts one more."""
        self._count += 1
        if self._status is not None:
            self._status.update(str(self))
        elif self._is_shown and self._pace.is_due():
            self.say(str(self))

    def end(self) -> None:
        """Says how many they were."""
        say(str(self))

    def say(self, message: str) -> None:
        """Says something at once."""
        if self._status is None:
            say(message)
        else:
            pace.say(self._status.console, message)

    def warn(self, message: str) -> None:
        """Warns."""
        self.say(f"nmt-prune: warning: {message}")

    def __str__(self) -> str:
        rate = self._count / max(time.monotonic() - self._start, 1e-9)
        return f"{self._count:,} sentences, {rate:,.1f} per second"


@contextmanager
def open_meter(is_shown: bool) -> Iterator[Meter]:
    """A meter for a while; the last it says is the sum.

    Args:
        is_shown: whether it counts; it passes on messages in any case.
    """
    if not is_shown:
        yield Meter(None, False)
        return
    console = pace.stderr_console()
    with console.status("") if console.is_terminal else nullcontext() as status:
        meter = Meter(status, True)
        yield meter
    meter.end()
