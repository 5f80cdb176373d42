"""Locks that are waited for."""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from data_prep.progress import Report
from nmt_prune.errors import PruneError
from nmt_prune.processes import exclusive


@contextmanager
def awaited(lock: Path, holder: str, report: Report) -> Iterator[None]:
    """Holds a lock that ends with this process; waits, and says so, as long as another one has it.

    Args:
        lock: the lock file; it stays.
        holder: what is locked, for the line.
        report: called with a line if there is a wait.

    Raises:
        PruneError: the lock file cannot be written.
    """
    with ExitStack() as held:
        try:
            held.enter_context(exclusive(lock, holder))
        except PruneError:
            report(f"{holder}: another nmt-prune is at it; waiting until it is done")
            held.enter_context(exclusive(lock, holder, patience=math.inf))
        except OSError as error:
            raise PruneError(f"{lock.parent} cannot be written to: {error.strerror}; choose another --cache") from error
        yield
