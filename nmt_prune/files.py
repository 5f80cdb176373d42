"""Writing files so that a crash, a kill or a full disk never leaves half of one in place."""

import errno
import glob
import hashlib
import json
import os
import shutil
import signal
import socket
import stat
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, BinaryIO

from nmt_prune.errors import PruneError
from nmt_prune.processes import lives

_ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space"),
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "make it writable"),
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR, errno.ESTALE), "see that its folder is there"),
}


_OLD = ".old.tmp"
"""What a folder is called for the moment in which another one takes its place."""


def trouble(error: OSError, path: Path | str | None = None) -> str:
    """What the system says of a file, and what to do about it.

    Args:
        error: what was raised.
        path: the file or folder; by default the one that the system names.
    """
    said = error.strerror or str(error) or "it cannot be used"
    advice = _ADVICE.get(error.errno or errno.ENOSPC, "see that it can be used")  # numpy writes less and says no number
    return f"{path or error.filename or 'a file'}: {said}; {advice}"


def refusal(lines: Iterable[str]) -> str | None:
    """The first line of a program's output in which the system refuses to write, and what to do about it."""
    for line in lines:
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
            if os.strerror(number) in line:
                return f"{line.strip()}; {_ADVICE[number]}"
    return None


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yields a temporary sibling of ``path`` to write to (a file or a folder) and renames it into place on success.

    Of a symbolic link the target is replaced. A device, a pipe or an open file such as ``/dev/stdout`` has no siblings:
    the temporary then lies elsewhere, and its bytes are written into it. SIGTERM and SIGHUP remove the temporary first,
    and after SIGKILL the next process on this machine that writes to ``path``.

    Raises:
        PruneError: the disk is full or the folder cannot be written; ``path`` is as it was before.
    """
    path = Path(path)
    try:
        if _is_stream(path):
            with temporary_folder() as folder:
                yield folder / path.name
                with (folder / path.name).open("rb") as content, _open_stream(path) as stream:
                    shutil.copyfileobj(content, stream)
            return
        place = Path(os.path.realpath(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        with _removed_when_killed(_sibling(place)) as temporary:
            yield temporary
            if temporary.is_dir() and place.is_dir():
                _replace_folder(place, temporary)
            else:
                temporary.replace(place)
    except OSError as error:
        raise PruneError(f"cannot write {trouble(error, path)} or choose another place") from error


@contextmanager
def output(path: Path) -> Iterator[BinaryIO]:
    """A file to write bytes to: as they come where ``path`` is a device or a pipe, else as :func:`atomic_path` does.

    Raises:
        BrokenPipeError: nobody reads the pipe any more.
        PruneError: it cannot be written.
    """
    try:
        if _is_stream(path):
            with _open_stream(path) as stream:
                yield stream
            return
    except BrokenPipeError:
        raise
    except OSError as error:
        raise PruneError(f"cannot write {trouble(error, path)} or choose another place") from error
    if path.is_dir():  # a file would be refused in its place, but at the end
        raise PruneError(f"cannot write {path}: it is a folder; name a file")
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        yield file


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder that is removed in the end, also if the end is SIGTERM or SIGHUP."""
    with _removed_when_killed(Path(mkdtemp(prefix="nmt-prune-"))) as folder:
        yield folder


def _replace_folder(place: Path, new: Path) -> None:
    """Puts a folder in the place of another, which is removed last: what cannot be removed of it stays beside."""
    old = new.with_name(new.name.removesuffix(".tmp") + _OLD)
    place.rename(old)
    try:
        new.rename(place)
    except OSError:
        old.rename(place)
        raise
    _remove(old)


def _sibling(place: Path) -> Path:
    """The temporary of this process; those that processes of this machine have left behind are removed."""
    start = f".{place.name}.{socket.gethostname()}."
    for left in place.parent.glob(f"{glob.escape(start)}*.tmp"):
        writer = left.name.removeprefix(start).removesuffix(_OLD).removesuffix(".tmp")
        if writer.isdigit() and not lives(int(writer)):
            if left.name.endswith(_OLD) and not place.exists():
                left.rename(place)  # it died between two renamings
            else:
                _remove(left)
    return place.with_name(f"{start}{os.getpid()}.tmp")


def _is_stream(path: Path) -> bool:
    """Whether ``path`` is written into and cannot be replaced: a device, a pipe, or a file by its descriptor."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    return _descriptor(path) is not None or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _open_stream(path: Path) -> BinaryIO:
    descriptor = _descriptor(path)
    if descriptor is None:
        return path.open("wb")
    # Not opened anew: the next program that writes to the same file would begin where this one began.
    if sys.stdout is not None:
        sys.stdout.flush()
    return os.fdopen(os.dup(descriptor), "wb")


def _descriptor(path: Path) -> int | None:
    """The number of the open file of this process that a path such as ``/dev/stdout`` leads to."""
    while path.is_symlink():
        folder = Path(os.path.realpath(path.parent))
        if folder.name == "fd" and folder.parts[:3] == ("/", "proc", str(os.getpid())):
            return int(path.name)
        path = folder / path.readlink()
    return None


_temporaries: dict[Path, int] = {}
"""What is to be removed when this process is killed, and the process: a forked one must leave it alone."""


@contextmanager
def _removed_when_killed(temporary: Path) -> Iterator[Path]:
    """Removes a file or folder in the end, also if the end is SIGTERM or SIGHUP."""
    _temporaries[temporary] = os.getpid()
    handled = []
    for request in (signal.SIGTERM, signal.SIGHUP):
        # Whoever handles or ignores it already has his reasons; and Python lets only the main thread ask.
        if threading.current_thread() is threading.main_thread() and signal.getsignal(request) is signal.SIG_DFL:
            signal.signal(request, _end)
            handled.append(request)
    try:
        yield temporary
    finally:
        for request in handled:
            signal.signal(request, signal.SIG_DFL)
        _remove(temporary)
        del _temporaries[temporary]


def _end(request: int, frame: object) -> None:
    for temporary, process in _temporaries.items():
        if process == os.getpid():
            _remove(temporary)
    signal.signal(request, signal.SIG_DFL)
    os.kill(os.getpid(), request)


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()


def write_json(path: Path | str, value: Any) -> None:
    """Writes ``value`` as indented JSON, atomically."""
    with atomic_path(path) as temporary:
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        # A file name need not be UTF-8: its bytes become JSON's own escapes.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def read_json(path: Path | str) -> Any:
    """Reads a JSON file.

    Raises:
        PruneError: the file is missing, cannot be read or is not JSON.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PruneError(f"{path} does not exist") from None
    except OSError as error:
        raise PruneError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise PruneError(f"{path} is not JSON ({error}); delete it and run the command again") from None


def read_object(path: Path | str) -> dict[str, Any]:
    """Reads a JSON file that holds an object, as all records do.

    Raises:
        PruneError: see :func:`read_json`, or it holds something else.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise PruneError(f"{path} holds no JSON object; delete it and run the command again")
    return value
