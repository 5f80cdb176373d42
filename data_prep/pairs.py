"""Sentence pairs: cleaning, comparing, and keeping training text apart from held-out text."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_WORD = re.compile(r"[^\W\d_]{2}")


class Pair(NamedTuple):
    """A sentence and its translation."""

    source: str
    target: str


@dataclass(frozen=True)
class Splits:
    """The three parts of a corpus.

    Attributes:
        train: training pairs.
        valid: pairs for choosing the checkpoint.
        test: pairs for the reported score.
        inputs: SHA-256 of every file that the pairs come from, by name.
    """

    train: list[Pair]
    valid: list[Pair]
    test: list[Pair]
    inputs: dict[str, str]


def normalise(text: str) -> str:
    """Makes every run of white space one plain space: a stray U+2028 or carriage return would break a line in two."""
    return " ".join(text.split())


def is_translation(pair: Pair, longest_ratio: float = 3.0) -> bool:
    """Tells whether a pair looks like running text and its translation.

    Args:
        pair: the pair.
        longest_ratio: how many times as many words one side may have as the other; one and two words count as three.

    Returns:
        False where a side has no word, where both sides are the same (untranslated), or where the lengths do not match.
    """
    if pair.source == pair.target or not all(_WORD.search(side) for side in pair):
        return False
    shorter, longer = sorted(max(3, len(side.split())) for side in pair)
    return longer <= longest_ratio * shorter


def distinct(pairs: Iterable[Pair], apart_from: Iterable[Pair] = ()) -> list[Pair]:
    """Drops repeated pairs, and pairs that share their source or their target with ``apart_from``, ignoring case."""
    sources, targets = set(), set()
    for pair in apart_from:
        sources.add(pair.source.casefold())
        targets.add(pair.target.casefold())
    unique = dict.fromkeys(pairs)
    return [pair for pair in unique if pair.source.casefold() not in sources and pair.target.casefold() not in targets]


def write_sides(pairs: Iterable[Pair], prefix: Path, source: str, target: str) -> None:
    """Writes ``PREFIX.source`` and ``PREFIX.target``, one sentence a line."""
    pairs = list(pairs)
    for language, side in ((source, 0), (target, 1)):
        lines = "".join(f"{pair[side]}\n" for pair in pairs)
        Path(f"{prefix}.{language}").write_text(lines, encoding="utf-8", newline="\n")
