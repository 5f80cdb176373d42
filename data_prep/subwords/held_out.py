"""Held-out text: it is never cleaned, since scores on fewer or other sentences would compare with nobody else's."""

from collections.abc import Sequence
from pathlib import Path

from data_prep.subwords.encoding import Limits
from data_prep.subwords.model import Segmenter
from data_prep.text.pairs import Pair
from data_prep.text.texts import Text, check_equal_lines, not_utf8
from nmt_prune.errors import PruneError
from nmt_prune.text.normalisation import normalise, one_line


def read_pairs(text: Text) -> list[Pair]:
    """Reads a text, white space normalised.

    Raises:
        PruneError: a side is empty, the sides differ in length, or a line is not UTF-8.
    """
    check_equal_lines(text)
    return [Pair(*sides) for sides in zip(*map(_read_lines, text[1:]), strict=True)]


def choose_held_out(candidates: list[Pair], segmenter: Segmenter, limits: Limits, wanted: int | None) -> list[Pair]:
    """Chooses held-out pairs.

    They are chosen here, and not dropped by a limit of fairseq's later: sample i of a binarized part is line i of its
    raw text.

    Args:
        candidates: the pairs of the corpus.
        segmenter: counts their subwords.
        limits: of what is chosen.
        wanted: how many pairs; None keeps a held-out set that is given, whatever its lengths.

    Raises:
        PruneError: no pair is short enough.
    """
    if wanted is None:
        return candidates
    lengths = zip(*(map(len, segmenter.segment([pair[side] for pair in candidates])) for side in (0, 1)), strict=True)
    chosen = [pair for pair, length in zip(candidates, lengths, strict=True) if not limits.refusal(*length)][:wanted]
    if not chosen:
        raise PruneError(f"no held-out pair {limits}")
    return chosen


def segment_held_out(pairs: list[Pair], segmenter: Segmenter, languages: tuple[str, str], clean: bool) -> list[Pair]:
    """Subwords of held-out pairs.

    Args:
        pairs: the pairs.
        segmenter: splits them.
        languages: of source and target.
        clean: whether sources are normalised as training text was; references never are.
    """
    sources = [normalise(pair.source, languages[0]) if clean else pair.source for pair in pairs]
    sides: Sequence[list[str]] = (sources, [pair.target for pair in pairs])
    segmented = (map(" ".join, segmenter.segment(sentences)) for sentences in sides)
    return [Pair(*pair) for pair in zip(*segmented, strict=True)]


def _read_lines(file: Path) -> list[str]:
    lines = []
    for number, line in enumerate(file.read_bytes().removesuffix(b"\n").split(b"\n"), start=1):
        try:
            lines.append(one_line(line.decode("utf-8-sig" if number == 1 else "utf-8")))
        except UnicodeDecodeError as error:
            raise not_utf8(file, number, error) from None
    if not any(lines):
        raise PruneError(f"{file} is empty; it should hold one sentence a line")
    return lines
