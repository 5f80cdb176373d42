"""Sentence pairs: cleaning, comparing, and keeping training text apart from held-out text."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from data_prep.text.texts import Text

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
    """

    train: list[Pair]
    valid: list[Pair]
    test: list[Pair]


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


def write_sides(pairs: Sequence[Pair], folder: Path, name: str, source: str, target: str) -> Text:
    """Writes ``FOLDER/NAME.source`` and ``FOLDER/NAME.target``, one sentence a line."""
    text = Text(name, folder / f"{name}.{source}", folder / f"{name}.{target}")
    for side, path in enumerate(text[1:]):
        path.write_text("".join(f"{pair[side]}\n" for pair in pairs), encoding="utf-8", newline="\n")
    return text
