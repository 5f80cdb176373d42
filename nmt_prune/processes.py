"""Processes that end with the one that started them, and locks that end with their process."""

import ctypes
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from nmt_prune.errors import PruneError

STOPPED = 75
"""Exit status of a training that has saved because it was asked to stop: EX_TEMPFAIL of ``sysexits.h``, try again."""

HAS_STOPPED = "stopped on request after update"
"""What its log then says."""

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
                way = f", or rm {lock} if it has ended there" if is_held(lock) is None else ""
                owner = f"{holder} is in use by another nmt-prune ({held_by(lock)})"
                raise PruneError(f"{owner}; wait until it ends{way}") from None
        file.truncate(0)
        try:
            os.write(file.fileno(), f"{os.getpid()} {socket.gethostname()}".encode())
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(lock)) from error
        try:
            yield
        finally:
            file.truncate(0)  # whoever reads it on another machine cannot see that this process has ended


def is_held(lock: Path) -> bool | None:
    """Whether a process holds a lock of :func:`exclusive`, found out without touching it.

    Args:
        lock: the lock file.

    Returns:
        None where a process of another machine took it last: whether that still lives cannot be seen from here.
    """
    try:
        process, _, host = lock.read_text(encoding="utf-8").partition(" ")
    except FileNotFoundError:
        return False
    if not process.isdigit():
        return False
    if host not in ("", socket.gethostname()):
        return None
    return _has_open(int(process), lock)


def held_by(lock: Path) -> str:
    """Which process took a lock of :func:`exclusive` last, on which other machine, and when."""
    process, _, host = lock.read_text(encoding="utf-8").partition(" ")
    where = f" on {host}" if host not in ("", socket.gethostname()) else ""
    return f"process {process or 'unknown'}{where}, since {datetime.fromtimestamp(lock.stat().st_mtime):%Y-%m-%d %H:%M}"


def lives(process: int) -> bool:
    """Whether there is a process of this number on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's
    return True


def _has_open(process: int, path: Path) -> bool:
    """Whether a process lives and has a file open: its number may be another process's by now."""
    if not lives(process):
        return False
    place = Path(f"/proc/{process}")
    if not place.is_dir():
        return True  # not on Linux
    with suppress(OSError):
        if (place / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return False  # dead, and nobody has taken note
    try:
        return any(_is_same(file, path) for file in (place / "fd").iterdir())
    except PermissionError:
        return True
    except FileNotFoundError:
        return False


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def processor_time() -> float:
    """User and system time, in seconds, of the processes that this one has started and that have ended."""
    times = os.times()
    return times.children_user + times.children_system
