"""Lines from a stream of bytes, and results as lines."""

import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from nmt_prune.runtime.results import LineResult
from nmt_prune.text.plain_text import text_lines

Say = Callable[[str], None]


def read_lines(stream: BinaryIO, warn: Say, origin: str = "standard input", name: str = "line") -> Iterator[str]:
    """Reads lines as they come; only a line feed, or one behind a carriage return, ends a line.

    Args:
        stream: UTF-8, perhaps compressed; what is not becomes U+FFFD.
        warn: told about each line that is not UTF-8.
        origin: what to call the stream.
        name: what to call a line.

    Raises:
        PruneError: the stream cannot be read, or is UTF-16, SGML or XML.
    """
    for number, line in enumerate(text_lines(stream, origin), start=1):
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            warn(f"{name} {number} is not UTF-8 (byte {error.start + 1}); what cannot be read is taken for U+FFFD")
            yield line.decode("utf-8", errors="replace")


def as_text(number: int, result: LineResult, alignment: str | None = None) -> str:
    """The best translation and, behind a tab, its alignment if asked for; an empty line where there is none."""
    return f"{result.lines[0] if result.lines else ''}{_column(result, 0, alignment)}\n"


def as_nbest(number: int, result: LineResult, alignment: str | None = None) -> str:
    """A line for each hypothesis: number of the sentence, counted from 0, score and translation, between tabs."""
    rows = enumerate(zip(result.scores, result.lines, strict=True))
    return "".join(
        f"{number}\t{score:.6f}\t{line}{_column(result, place, alignment)}\n" for place, (score, line) in rows
    )


def as_json(number: int, result: LineResult, alignment: str | None = None) -> str:
    """A JSON object with the translations, their scores and their subwords, the best first."""
    found: dict[str, Any] = {"hypotheses": result.lines, "scores": result.scores, "tokens": result.tokens}
    if alignment is not None:
        found["source"] = result.source
    if alignment == "hard":
        found["alignments"] = result.alignments
    elif alignment == "soft":
        found["attention"] = [rows.astype(float).round(6).tolist() for rows in result.attention]
    return json.dumps(found, ensure_ascii=False) + "\n"


def _column(result: LineResult, place: int, alignment: str | None) -> str:
    """An alignment as fairseq-generate prints it, behind a tab: pairs (Pharaoh's format), or a row for each token."""
    if alignment is None:
        return ""
    if place >= len(result.lines):
        return "\t"
    if alignment == "hard":
        return "\t" + " ".join(f"{source}-{target}" for source, target in result.alignments[place])
    return "\t" + " ".join(",".join(f"{p:.6f}" for p in row) for row in result.attention[place].tolist())
