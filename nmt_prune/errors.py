"""The one exception that a user's mistake raises."""

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

TRACEBACK = "NMT_PRUNE_TRACEBACK"
"""Environment variable that shows the traceback behind the line of an error."""


class PruneError(Exception):
    """Bad input: one line that names the file, flag or tensor at fault and says what to do.

    The command line prints the line and exits with status 1; nothing has been overwritten when it is raised.
    """


def show_traceback(error: Exception) -> None:
    """Prints the traceback of an error where the environment asks for it."""
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error)


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Ends the process with the one line of a PruneError and status 1.

    For code that fairseq calls: fairseq would hide the line behind a traceback or behind a message of its own.
    """
    try:
        yield
    except PruneError as error:
        show_traceback(error)
        raise SystemExit(f"nmt-prune: error: {error}") from error
