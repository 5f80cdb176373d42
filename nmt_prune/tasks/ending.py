"""The end of a training, whatever has brought it about: fairseq tells no task of it."""

import atexit
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty

from fairseq.data.iterators import BackgroundConsumer

from nmt_prune.errors import exit_on_error

LATER_END = "repeat the command with a later end (--max-epoch, --patience, --stop-time-hours, --stop-min-lr)"
"""What to do about a training that has ended too early."""

_LOGGER = logging.getLogger("fairseq_cli.train")
_LAST_WORDS = "done training in"
_PATIENCE = 10.0  # seconds for the mini-batch that a thread is at


class _AtTheEnd(logging.Filter):
    """Sees fairseq's last message pass; a filter, unlike a handler, may end the program with a status."""

    def __init__(self) -> None:
        super().__init__()
        self.check: Callable[[], None] | None = None
        self.level = logging.NOTSET

    def filter(self, record: logging.LogRecord) -> bool:
        if self.check is not None and record.getMessage().startswith(_LAST_WORDS):
            check, self.check = self.check, None
            with exit_on_error():
                check()
        # As without this filter: the logger's own level, else its parents', which may have changed since.
        return record.levelno >= (self.level or logging.getLogger("fairseq_cli").getEffectiveLevel())


_at_the_end = _AtTheEnd()


def call_at_the_end(check: Callable[[], None]) -> None:
    """Has a function called when ``fairseq_cli.train.main`` is over in this process; of several the last.

    Args:
        check: its PruneError ends the process with one line and status 1.
    """
    if _at_the_end not in _LOGGER.filters:
        _at_the_end.level = _LOGGER.level
        _LOGGER.addFilter(_at_the_end)
        # A quiet log still lets the last message pass here.
        _LOGGER.setLevel(min(_LOGGER.getEffectiveLevel(), logging.INFO))
    _at_the_end.check = check


@atexit.register
def stop_reading_ahead() -> None:
    """Ends fairseq's threads that collate mini-batches which nobody will ask for.

    Python ends the threads that are left at its own end, and one that is within torch then aborts the program,
    "terminate called without an active exception" and status 134, however well the training went.
    """
    deadline = time.monotonic() + _PATIENCE
    for thread in threading.enumerate():
        if not isinstance(thread, BackgroundConsumer):
            continue
        thread._max_len = 0
        while thread.is_alive() and time.monotonic() < deadline:
            with suppress(Empty):
                thread._queue.get_nowait()  # it may be waiting for a place
            thread.join(0.01)
