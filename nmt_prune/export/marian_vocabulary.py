"""The vocabulary of an export for Marian: the SentencePiece model with its own order, else both dictionaries."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.text.dictionaries import EOS, PAD, SPECIAL, UNK
from nmt_prune.text.subwords import SENTENCEPIECE


@dataclass(frozen=True)
class Vocabulary:
    """Rows of the model's dictionaries in the order of Marian's words, and the files that say so.

    Attributes:
        source: by Marian's word: row of the source dictionary, that of the unknown word where there is none.
        target: the same of the target dictionary.
        never: Marian's words that no translation can have.
        files: contents by name, that of the source first; one for both languages, or two.
    """

    source: list[int]
    target: list[int]
    never: list[int]
    files: dict[str, bytes]

    def write(self, folder: Path) -> list[str]:
        """Writes the files; their names twice if both languages have the same."""
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        return [*self.files] * (3 - len(self.files))


_UNUSED = 5  # the type of a piece that text is never split into
_COLUMNS = 8
"""Marian's int8 multiplies by so many words at a time."""


def vocabulary(model: CompactModel) -> Vocabulary:
    """Finds the order of words; behind them come as many that never occur as make a multiple of eight.

    Raises:
        PruneError: the dictionaries cannot be Marian's.
    """
    if model.text.get("bpe") == SENTENCEPIECE and model.sentencepiece is not None:
        return _of_pieces(model, model.sentencepiece)
    languages = {"vocab.yml": model.source}
    if model.source != model.target:
        languages = {"source.yml": model.source, "target.yml": model.target}
    source, target = ([*range(len(symbols)), *_unused(len(symbols))] for symbols in (model.source, model.target))
    never = [PAD, *range(len(model.target), len(target))]
    return Vocabulary(source, target, never, {name: _yaml(symbols) for name, symbols in languages.items()})


def _unused(words: int) -> list[int]:
    """Words that make their number a multiple: their embedding is that of the unknown one."""
    return [UNK] * (-words % _COLUMNS)


def _yaml(symbols: Sequence[str]) -> bytes:
    names = [*symbols, *(f"<unused{number}>" for number in range(-len(symbols) % _COLUMNS))]
    if len(set(names)) < len(names):
        raise PruneError("a word stands twice in a dictionary of the model, which Marian does not take")
    return "".join(f"{json.dumps(name, ensure_ascii=False)}: {row}\n" for row, name in enumerate(names)).encode()


def _of_pieces(model: CompactModel, sentencepiece: bytes) -> Vocabulary:
    from sentencepiece import SentencePieceProcessor

    own = SentencePieceProcessor(model_proto=sentencepiece)
    if own.eos_id() < 0:
        raise PruneError("the SentencePiece model has no </s>, which Marian wants; train one without --eos_id=-1")
    special = {own.unk_id(): SPECIAL[UNK], own.eos_id(): SPECIAL[EOS], own.pad_id(): SPECIAL[PAD]}
    names = [special.get(number, own.id_to_piece(number)) for number in range(own.get_piece_size())]
    rows = []
    for language, symbols in (("source", model.source), ("target", model.target)):
        row_of = {symbol: row for row, symbol in enumerate(symbols)}
        rows.append([row_of.get(name, UNK) for name in names] + _unused(len(names)))
        if lost := row_of.keys() - {*names, *SPECIAL}:
            message = f"{len(lost)} words of the {language} dictionary are no pieces of the SentencePiece model"
            warnings.warn(f"{message}, such as {min(lost)}: Marian cannot write them", RuntimeWarning, stacklevel=2)
    written = set(model.target) - {SPECIAL[PAD]}
    never = [number for number, name in enumerate(names) if name not in written]
    never += range(len(names), len(rows[1]))
    return Vocabulary(rows[0], rows[1], never, {"vocab.spm": sentencepiece + _unused_pieces(-len(names) % _COLUMNS)})


def _unused_pieces(count: int) -> bytes:
    """Pieces to be written behind a model: field 1 of a ModelProto, with field 1 the text and field 3 the type."""
    found = b""
    for number in range(count):
        text = f"<unused{number}>".encode()
        piece = bytes([0x0A, len(text)]) + text + bytes([0x18, _UNUSED])
        found += bytes([0x0A, len(piece)]) + piece
    return found
