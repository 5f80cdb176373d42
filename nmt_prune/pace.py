"""Progress of long work on stderr: drawn in place on a terminal, else a line now and then."""

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

SECONDS_BETWEEN_LINES = 15.0


class Pace:
    """Says when the next line is due.

    Args:
        at_once: whether the first one is due now, and not in 15 seconds.
    """

    def __init__(self, at_once: bool = False) -> None:
        self._last = -math.inf if at_once else time.monotonic()

    def is_due(self) -> bool:
        """Whether it is time for a line; if so, it counts as said."""
        now = time.monotonic()
        if now - self._last < SECONDS_BETWEEN_LINES:
            return False
        self._last = now
        return True


def stderr_console() -> "Console":
    """The console that progress is shown on."""
    from rich.console import Console  # takes time and memory, which nobody wants to spend in a pipe

    return Console(stderr=True)


def say(console: "Console", message: str) -> None:
    """Says something once, above what is drawn in place: whatever else writes to the terminal would write into that."""
    console.print(message, soft_wrap=True, markup=False, highlight=False)
