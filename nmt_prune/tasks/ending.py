"""The end of a training, whatever has brought it about: fairseq tells no task of it."""

import logging
from collections.abc import Callable

from nmt_prune.errors import exit_on_error

_LOGGER = logging.getLogger("fairseq_cli.train")
_LAST_WORDS = "done training in"


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
