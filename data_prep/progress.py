"""Progress of long steps, as lines."""

import time
from collections.abc import Callable
from datetime import timedelta

from nmt_prune.pace import Pace

Report = Callable[[str], None]
"""Called with a line about each slow step."""


class Progress:
    """Reports how far a step is and how long it will still take, at most every 15 seconds.

    Args:
        name: what the step is called.
        report: called with each line.
    """

    def __init__(self, name: str, report: Report) -> None:
        self._name, self._report = name, report
        self._began: tuple[float, int] | None = None
        self._pace = Pace()

    def at(self, done: int, total: int) -> None:
        """Tells that ``done`` of ``total`` is done; the first call may be in the middle, if a step goes on."""
        now = time.monotonic()
        if self._began is None:
            self._began = (now, done)
        if done >= total or not self._pace.is_due():
            return
        began, first = self._began
        left = ""
        if done > first:
            left = f", about {timedelta(seconds=round((now - began) * (total - done) / (done - first)))} left"
        self._report(f"{self._name}: {done / total:.0%}{left}")
