"""Kinds of subwords: which one a dictionary holds, and how subwords become a line again."""

import codecs
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from nmt_prune.errors import PruneError
from nmt_prune.text.dictionaries import SPECIAL

NONE, SENTENCEPIECE, SUBWORD_NMT, FASTBPE, GPT2 = "none", "sentencepiece", "subword_nmt", "fastbpe", "gpt2"
SEPARATOR = "@@"
"""What subword-nmt and fastBPE put behind a subword that does not end its word."""

_MARKS: dict[str, Callable[[str], bool]] = {
    SENTENCEPIECE: lambda symbol: symbol.startswith("▁"),
    SUBWORD_NMT: lambda symbol: symbol.endswith(SEPARATOR),
    GPT2: lambda symbol: symbol.startswith("Ġ"),
}
# Real dictionaries have a third of marked symbols or more; a word of the text that looks like one comes now and then.
_LEAST_SHARE, _MOST_OTHERS = 0.01, 0.1
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]{2,}")
_FILLER = "madeupword"
"""How the symbols begin with which fairseq rounds the size of a dictionary up."""


def kind_of(symbols: Iterable[str], what: str) -> str:
    """The kind of subwords in a dictionary, by their marks.

    Args:
        symbols: the dictionary.
        what: what to call it in messages.

    Returns:
        ``sentencepiece``, ``subword_nmt`` (fastBPE's look the same), ``gpt2`` or ``none``.

    Raises:
        PruneError: it cannot be told.
    """
    own = words(symbols)
    counts = {kind: sum(map(mark, own)) for kind, mark in _MARKS.items()}
    best = max(counts, key=lambda kind: counts[kind])
    others = sum(counts.values()) - counts[best]
    if counts[best] and counts[best] >= _LEAST_SHARE * len(own) and others <= _MOST_OTHERS * counts[best]:
        if best == SENTENCEPIECE and _spell_bytes(own):
            raise PruneError(
                f"{what} has subwords of bytes, as fairseq's byte_bpe writes them, which are not joined here"
            )
        return best
    if any(counts.values()):
        found = ", ".join(f"{count} by {kind}" for kind, count in counts.items() if count)
        raise PruneError(f"{what} does not say how words were split ({found}, of {len(own)} symbols)")
    if sum(symbol.startswith("##") for symbol in own) >= max(1, _LEAST_SHARE * len(own)):
        raise PruneError(f"{what} has subwords with ##, as BERT's are marked, which are not joined here")
    if are_numbers(own):
        raise PruneError(f"{what} holds numbers only, as GPT-2's subwords are stored")
    return NONE


def joining_kind(asked: str | None, symbols: Iterable[str], what: str, flag: str = "--remove-bpe") -> str:
    """The kind by which hypotheses are joined.

    Args:
        asked: a value of fairseq's ``--remove-bpe``, which must not contradict the dictionary; None: the dictionary's.
        symbols: the target dictionary.
        what: what to call it in messages.
        flag: what to call the flag with that value.

    Raises:
        PruneError: they contradict each other, or nobody says.
    """
    wanted = SUBWORD_NMT if asked in (SEPARATOR, f"{SEPARATOR} ", FASTBPE) else asked
    try:
        kind = kind_of(symbols, what)
    except PruneError as error:
        if wanted is None:
            raise PruneError(f"{error}; say it with {flag} (none: not at all)") from None
        return wanted
    if wanted is None or wanted == kind:
        return kind
    if kind != NONE or wanted == SENTENCEPIECE:
        found = f"has subwords of the kind {kind}" if kind != NONE else "has no ▁"
        raise PruneError(f"{flag} {asked} would leave no text: {what} {found}; leave the flag out")
    return wanted


def are_numbers(symbols: Iterable[str]) -> bool:
    """Whether subwords are stored by their numbers, as fairseq stores GPT-2's."""
    own = words(symbols)
    return bool(own) and all(map(str.isdigit, own))


def _spell_bytes(symbols: Iterable[str]) -> bool:
    """Whether characters beyond ASCII are the bytes of UTF-8: two or more in a row then spell something, mostly.

    fairseq's byte_bpe writes a byte as the character of its number, or of 256 more where that is not printable.
    """
    runs = [run for symbol in symbols for run in _BEYOND_ASCII.findall(symbol.replace("▁", " "))]
    return sum(map(_is_utf8, runs)) * 2 > len(runs)


def _is_utf8(characters: str) -> bool:
    numbers = [number - 256 * (number > 255) for number in map(ord, characters)]
    if min(numbers) < 128:  # a byte that is ASCII, and written as itself
        return False
    try:
        return bool(bytes(numbers).decode())
    except ValueError:  # no byte, or no UTF-8
        return False


def words(symbols: Iterable[str]) -> list[str]:
    """The symbols of a dictionary that come from its text."""
    return [symbol for symbol in symbols if symbol not in SPECIAL and not symbol.startswith(_FILLER)]


def join(subwords: Sequence[str], kind: str, separator: str = SEPARATOR) -> str:
    """The line that subwords stand for, as fairseq joins them; byte pieces become the characters that they spell.

    Args:
        subwords: the subwords.
        kind: as :func:`kind_of` calls it, or ``fastbpe``.
        separator: of subword-nmt and fastBPE.
    """
    if kind == SENTENCEPIECE:
        return _join_pieces(subwords).strip()
    if kind in (SUBWORD_NMT, FASTBPE):
        return f"{' '.join(subwords)} ".replace(f"{separator} ", "").rstrip()
    if kind == GPT2:
        return spelt(b"".join(map(_gpt2_bytes, "".join(subwords)))).strip()
    return " ".join(subwords)


def spelt(characters: bytes) -> str:
    """Text of bytes that a model has spelt: whatever is not UTF-8 becomes U+FFFD, byte by byte, and no line ends."""
    return characters.decode("utf-8", _EACH_BYTE).replace("\n", " ").replace("\r", " ")


def _join_pieces(subwords: Sequence[str]) -> str:
    text = ""
    for are_bytes, pieces in groupby(subwords, lambda piece: _BYTE.fullmatch(piece) is not None):
        if are_bytes:
            text += spelt(bytes(int(piece[3:5], 16) for piece in pieces))
        else:
            text += "".join(pieces).replace(" ", "").replace("▁", " ")
    return text


def gpt2_alphabet() -> dict[int, str]:
    """The printable character that stands for each byte in GPT-2's subwords."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = (byte for byte in range(256) if byte not in printable)
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + place) for place, byte in enumerate(others)}


_BYTES = {character: bytes([byte]) for byte, character in gpt2_alphabet().items()}
_EACH_BYTE = "nmt_prune_each_byte"
codecs.register_error(_EACH_BYTE, lambda error: ("\ufffd", error.start + 1))  # type: ignore[attr-defined]


def _gpt2_bytes(character: str) -> bytes:
    return _BYTES.get(character, character.encode())
