"""Processes that end with the one that started them, and locks that end with their process."""

import ctypes
import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nmt_prune.errors import PruneError

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def with_reason(lines: Sequence[str], index: int) -> str:
    """A line of a program's output and, where it only announces what follows, the next one.

    ``Error(s) in loading state_dict for MaskedTransformer:`` does not say what is wrong, the line after it does.

    Args:
        lines: what the program printed, without empty lines.
        index: the line.
    """
    line = lines[index].strip()
    follows = lines[index + 1].strip() if line.endswith(":") and index + 1 < len(lines) else ""
    return f"{line} {follows}".strip()


def die_with_parent() -> None:
    """Has the kernel kill this process when its parent ends, however it ends; only on Linux.

    Without it, a killed runner would leave trainings behind that fight with those of the next one.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def exclusive(lock: Path, holder: str, patience: float = 0.0) -> Iterator[None]:
    """Holds a lock that the kernel releases when the process ends, however it ends.

    Args:
        lock: the lock file; it stays.
        holder: what is locked, for the message.
        patience: seconds to wait for it.

    Raises:
        PruneError: another process holds it.
        OSError: it cannot be written.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + patience
    with lock.open("a+") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(0.1)
                    continue
                file.seek(0)
                owner = file.read().strip() or "unknown"
                raise PruneError(
                    f"{holder} is in use by another nmt-prune (process {owner}); wait until it ends"
                ) from None
        file.truncate(0)
        try:
            os.write(file.fileno(), str(os.getpid()).encode())
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(lock)) from error
        yield
