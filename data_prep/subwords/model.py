"""SentencePiece subwords, one model for both languages."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import sentencepiece

from nmt_prune.errors import PruneError

MODEL_TYPES = ("unigram", "bpe")
# Special symbols of fairseq and of SentencePiece: counted so, the dictionary has exactly vocab_size entries.
_FAIRSEQ_SYMBOLS, _PIECE_SYMBOLS = 4, 3
_LONGEST_BYTES = 4192
"""SentencePiece's own max_sentence_length."""
# Fixed, whatever the machine: sums are made by thread, so another number could give another model.
_THREADS = 8


def train_model(sentences: Iterable[str], vocab_size: int, model_type: str) -> bytes:
    """Trains a SentencePiece model.

    The text is not normalised (NFKC would turn … into ...): joining the pieces gives back the sentence, so that scores
    compare like with like. No file name is in the model: the same text gives the same bytes.

    Args:
        sentences: training text in both languages.
        vocab_size: entries of fairseq's dictionary, its four special symbols included.
        model_type: ``unigram`` or ``bpe``.

    Raises:
        PruneError: the text is too small or too varied for the vocabulary.
    """
    if model_type not in MODEL_TYPES:
        raise PruneError(f"--model-type {model_type} is unknown; choose {' or '.join(MODEL_TYPES)}")
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=(part for sentence in sentences for part in _parts(sentence)),
            model_writer=model,
            vocab_size=vocab_size - _FAIRSEQ_SYMBOLS + _PIECE_SYMBOLS,
            model_type=model_type,
            normalization_rule_name="identity",
            character_coverage=0.9998,
            num_threads=_THREADS,
            minloglevel=2,
        )
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[-1].rpartition("] ")[2] or "no reason given"
        raise PruneError(
            f"--vocab-size {vocab_size} does not suit this corpus: {reason} Choose another size or add text"
        ) from None
    return model.getvalue()


def _parts(sentence: str) -> Iterator[str]:
    """A sentence in parts that are short enough for SentencePiece, which leaves out longer ones without a word."""
    if len(sentence) * 4 <= _LONGEST_BYTES:
        yield sentence
        return
    part: list[str] = []
    size = 0
    for word in sentence.split(" "):
        for start in range(0, len(word), _LONGEST_BYTES // 4):
            piece = word[start : start + _LONGEST_BYTES // 4]
            if part and size + len(piece.encode()) > _LONGEST_BYTES:
                yield " ".join(part)
                part, size = [], 0
            part.append(piece)
            size += len(piece.encode()) + 1
    yield " ".join(part)


class Segmenter:
    """Splits sentences into subwords.

    Args:
        model: a SentencePiece model, as bytes.
    """

    def __init__(self, model: bytes) -> None:
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)

    def segment(self, sentences: list[str]) -> list[list[str]]:
        """Subwords of each sentence."""
        return self._processor.encode(sentences, out_type=str, num_threads=1)

    def write_dictionary(self, path: Path) -> None:
        """Writes the pieces as a fairseq dictionary, in the model's order; fairseq adds its special symbols itself."""
        pieces = (self._processor.id_to_piece(index) for index in range(_PIECE_SYMBOLS, len(self._processor)))
        path.write_text("".join(f"{piece} 1\n" for piece in pieces), encoding="utf-8", newline="\n")
