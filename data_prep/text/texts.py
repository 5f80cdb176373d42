"""Parallel text files."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from nmt_prune.errors import PruneError


class Text(NamedTuple):
    """Two UTF-8 files; line i of one is the translation of line i of the other.

    Attributes:
        name: what messages and tables call it, e.g. ``europarl-v7``.
        source: file of the source language.
        target: file of the target language.
    """

    name: str
    source: Path
    target: Path


@dataclass(frozen=True)
class Texts:
    """The texts of a corpus.

    Attributes:
        train: training texts, in the order in which they are put together.
        valid: text for choosing the checkpoint.
        test: text for the reported score.
    """

    train: list[Text]
    valid: Text
    test: Text


def check_equal_lines(text: Text, given: Text | None = None) -> None:
    """Checks that both sides of a text have the same number of lines, before anything pairs them.

    Args:
        text: what is counted.
        given: the files that it was made of, compressed ones perhaps, which errors name.

    Raises:
        PruneError: they have not, or there is none.
    """
    source, target = (count_lines(file) for file in text[1:])
    if source != target:
        raise unequal(given or text, source, target)
    if not source:
        raise PruneError(f"{(given or text).source} is empty; it should hold one sentence a line")


def count_lines(path: Path) -> int:
    """Number of lines, where a last one without a line feed is one too."""
    lines, last = 0, b"\n"
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            lines, last = lines + block.count(b"\n"), block[-1:]
    return lines + (last != b"\n")


def unequal(text: Text, source_lines: int, target_lines: int) -> PruneError:
    """The error for a text whose sides have different numbers of lines."""
    return PruneError(
        f"{text.name}: {text.source} has {source_lines} lines and {text.target} has {target_lines};"
        " line i of one must be the translation of line i of the other"
    )


def not_utf8(file: Path, line: int, error: UnicodeDecodeError) -> PruneError:
    """The error for a line, counted from 1, that is not UTF-8."""
    return PruneError(
        f"{file}, line {line}: byte {error.start + 1} is not UTF-8; convert the file, for example with iconv"
    )
