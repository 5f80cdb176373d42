"""Whether raw text can be split as a model's text was: what is missing, and what is another model's."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from nmt_prune.text.subwords import FASTBPE, GPT2, SENTENCEPIECE, SUBWORD_NMT, words

_FEWEST = 0.9
"""Share of a dictionary that its own subword model can make; what is not is from another text, or a filler."""


def missing_part(text: Mapping[str, Any], has_pieces: bool) -> str:
    """What raw text cannot be split without; empty if nothing is missing.

    Args:
        text: see :attr:`nmt_prune.storage.model.compact_model.CompactModel.text`.
        has_pieces: whether there is a SentencePiece model.
    """
    kind = text.get("bpe")
    if kind == SENTENCEPIECE and not has_pieces:
        return "its SentencePiece model is missing: give it with --sentencepiece-model"
    if kind in (SUBWORD_NMT, FASTBPE) and not text.get("bpe_codes"):
        return "the codes of its subwords are missing: give them with --bpe-codes"
    if kind == GPT2 and not text.get("gpt2_vocab_bpe"):
        return "GPT-2's subwords are missing: give vocab.bpe, with encoder.json beside it, with --bpe gpt2 --bpe-codes"
    return ""


def check_pieces(text: Mapping[str, Any], pieces: bytes | None, dictionary: Sequence[str], what: str) -> None:
    """Looks whether the source dictionary is made of what the subword model makes.

    Args:
        text: see :attr:`nmt_prune.storage.model.compact_model.CompactModel.text`.
        pieces: the SentencePiece model.
        dictionary: symbols of the source.
        what: what to call the dictionary in messages.

    Warns:
        RuntimeWarning: it is not, or the subword model is missing.
    """
    if missing := missing_part(text, pieces is not None):
        warnings.warn(f"{what} holds subwords, but {missing}", RuntimeWarning, stacklevel=3)
        return
    made = _made(text, pieces)
    own = [symbol for symbol in words(dictionary) if len(symbol.removesuffix("@@")) > 1]
    known = sum(symbol in made for symbol in own)
    if made and known < _FEWEST * len(own):
        warnings.warn(
            f"{what} has {len(own)} subwords, but only {known} are in the subword model: is it another model's?",
            RuntimeWarning,
            stacklevel=3,
        )


def _made(text: Mapping[str, Any], pieces: bytes | None) -> frozenset[str]:
    """All subwords of more than a character; none where that cannot be told."""
    if pieces is not None:
        from sentencepiece import SentencePieceProcessor

        try:
            processor = SentencePieceProcessor(model_proto=pieces)
        except RuntimeError:
            return frozenset()  # refused where text is split
        return frozenset(map(processor.id_to_piece, range(len(processor))))
    separator, made = text.get("bpe_separator", "@@"), set()
    for line in str(text.get("bpe_codes") or "").split("\n"):
        merged = line.strip().replace(" ", "")
        made |= {merged.removesuffix("</w>"), f"{merged}{separator}"}
    return frozenset(made) if text.get("bpe_codes") else frozenset()
