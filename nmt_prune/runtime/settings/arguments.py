"""What callers in Python may pass: a wrong kind is named, before a string is taken for a list of its letters."""

from collections.abc import Iterable, Iterator, Mapping, Set
from math import isfinite
from typing import Any

from nmt_prune.errors import PruneError


class ArgumentError(PruneError, ValueError):
    """A value of the right kind that is out of range: ValueError for those who call, PruneError on the command line."""


def check_kind(name: str, value: Any, kind: Any, expected: str) -> None:
    """Refuses a value of another type; a bool is no number.

    Raises:
        TypeError: it is one.
    """
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{name}: expected {expected}, not {shown(value)}")


def check_number(name: str, value: Any, kind: type, least: float | None = None) -> None:
    """Refuses what is no number of this kind (``int``, ``float``), not finite or too small.

    Raises:
        ArgumentError: it is not finite, or below ``least``.
        TypeError: it is no such number.
    """
    check_kind(name, value, int if kind is int else (int, float), "a whole number" if kind is int else "a number")
    if not isfinite(value):
        raise ArgumentError(f"{name} {value} is no finite number")
    if least is not None and value < least:
        raise ArgumentError(f"{name} {value} is too small; the least is {least}")
    if abs(value) > _LARGEST:
        raise ArgumentError(f"{name} {value:.4g} is too large; the most is {_LARGEST}")


def listed(name: str, values: Any, expected: str) -> list[Any]:
    """What an iterable holds; a string or a mapping is none here.

    Raises:
        TypeError: it is no iterable.
    """
    if isinstance(values, (str, bytes, bytearray, Mapping, Set)) or not isinstance(values, Iterable):
        raise TypeError(f"{name}: expected {expected}, not {shown(values)}")
    return list(values)


def iter_lines(name: str, lines: Any) -> Iterator[str]:
    """Lines as they come.

    Raises:
        TypeError: it is no iterable, at once; or a line is no string, when it comes.
    """
    if isinstance(lines, (str, bytes, bytearray, Mapping, Set)) or not isinstance(lines, Iterable):
        raise TypeError(f"{name}: expected an iterable of lines, not {shown(lines)}; give a single line in a list")

    def checked() -> Iterator[str]:
        for number, line in enumerate(lines):
            check_kind(f"{name}[{number}]", line, str, "a line of text as str")
            yield line

    return checked()


def subwords(name: str, sentences: Any) -> list[list[str]]:
    """Subwords of sentences; None stands for none.

    Raises:
        TypeError: they are not strings in a list for each sentence.
    """
    found = []
    for place, sentence in enumerate(listed(name, sentences, "a list of subwords for each sentence")):
        words = [] if sentence is None else listed(f"{name}[{place}]", sentence, "a list of subwords")
        for word in words:
            check_kind(f"{name}[{place}]", word, str, "a list of subwords as str")
        found.append(words)
    return found


def shown(value: Any) -> str:
    """A value and its type, in short."""
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:40] + '…'}"


_LARGEST = 2**31 - 1
