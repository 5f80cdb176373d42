"""Standard streams as shells leave them: closed, full, or given file names that are not UTF-8."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from nmt_prune.errors import PruneError


def open_streams() -> None:
    """Makes usable what the shell has closed (``<&-``, ``>&-``, ``2>&-``), before a file is opened under its number.

    Reading from a closed standard input and writing to a closed standard output then fail like any other file; what
    goes to a closed standard error is lost. File names that are not UTF-8 are printed as the bytes that they are.
    """
    for number, mode in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # the lowest free number, so it is this one
    sys.stdin = sys.stdin or os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    if sys.stdout is sys.__stdout__:  # and not what a caller collects text with
        encoding = "utf-8" if sys.stdout is None else sys.stdout.encoding
        output = io.BufferedWriter(_StandardOutput(1, "w", closefd=False))
        sys.stdout = io.TextIOWrapper(output, encoding, "surrogateescape", line_buffering=os.isatty(1))


@contextmanager
def flushed_output() -> Iterator[None]:
    """Flushes standard output in the end, so that what goes wrong with it is known before the process ends.

    Raises:
        PruneError: it is closed or full. Where nobody reads it any more the process ends quietly.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _give_up_output()
        raise SystemExit(1) from None
    except PruneError:
        _give_up_output()
        raise


def say(line: str) -> None:
    """Prints to standard error; where that is impossible nobody is told, and the work goes on."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


class _StandardOutput(io.FileIO):
    def write(self, data: Any, /) -> Any:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise PruneError(f"standard output cannot be written: {error.strerror}") from None


def _give_up_output() -> None:
    """What is still in the buffer would fail once more, with a traceback, when Python ends."""
    with suppress(OSError, PruneError):
        sys.stdout.flush()
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
