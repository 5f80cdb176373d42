"""The one exception that a user's mistake raises."""

from collections.abc import Iterator
from contextlib import contextmanager


class PruneError(Exception):
    """Bad input: one line that names the file, flag or tensor at fault and says what to do.

    The command line prints the line and exits with status 1; nothing has been overwritten when it is raised.
    """


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Ends the process with the one line of a PruneError and status 1.

    For code that fairseq calls: fairseq would hide the line behind a traceback or behind a message of its own.
    """
    try:
        yield
    except PruneError as error:
        raise SystemExit(f"nmt-prune: error: {error}") from error
