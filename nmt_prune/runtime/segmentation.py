"""Lines of text as subwords and back, as fairseq's tokenizers and subword models do it."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from io import StringIO
from typing import Any

from nmt_prune.errors import PruneError
from nmt_prune.storage.model import CompactModel

Change = Callable[[str], str]
_NONE = (None, "", "none")


class Segmentation:
    """Both ways between a line and its subwords.

    A subword model ``subword_nmt`` or ``fastbpe`` whose codes are not stored leaves lines as they are: they must have
    been split already, as those that are given to ``fairseq-preprocess``.

    Args:
        model: whose ``text`` says how: ``bpe``, ``tokenizer`` and their settings by fairseq's names.

    Raises:
        PruneError: it names a tokenizer or subword model that is not known here, or whose package is missing.
    """

    def __init__(self, model: CompactModel) -> None:
        text = model.text
        self._bpe = text.get("bpe")
        self._split: Change = _same
        self._detokenize: Change = _same
        self._tokenize: dict[str, Change] = {"source": _same, "target": _same}
        if text.get("tokenizer") == "moses":
            self._detokenize = _moses_detokenizer(text)
            for side in self._tokenize:
                self._tokenize[side] = _moses_tokenizer(text, side)
        elif text.get("tokenizer") not in (*_NONE, "space"):
            raise PruneError(f"the model's tokenizer is {text['tokenizer']}; only moses, space and none are known here")
        if self._bpe == "sentencepiece":
            self._split = _sentencepiece(model.sentencepiece)
        elif self._bpe == "subword_nmt" and text.get("bpe_codes"):
            self._split = _subword_nmt(text)
        elif self._bpe not in (*_NONE, "subword_nmt", "fastbpe"):
            raise PruneError(
                f"the model's subwords are by {self._bpe}; only sentencepiece, subword_nmt, fastbpe and none are known"
            )
        self._separator = f"{text.get('bpe_separator', '@@')} "

    def split(self, line: str, side: str = "source") -> list[str]:
        """Subwords of a line.

        Args:
            line: the line; what Unicode counts as white space separates words.
            side: whose tokenizer is taken, ``source`` or ``target``.
        """
        return self._split(self._tokenize[side](line.strip())).split()

    def join(self, subwords: Sequence[str]) -> str:
        """The line that subwords stand for."""
        line = " ".join(subwords)
        if self._bpe == "sentencepiece":
            line = line.replace(" ", "").replace("▁", " ").strip()
        elif self._bpe not in _NONE:
            line = f"{line} ".replace(self._separator, "").rstrip()
        return self._detokenize(line)


def _same(line: str) -> str:
    return line


def _sentencepiece(model: bytes | None) -> Change:
    from sentencepiece import SentencePieceProcessor

    if not model:
        raise PruneError("the model's subwords are by sentencepiece, but it has no SentencePiece model; pack it anew")
    try:
        processor = SentencePieceProcessor(model_proto=model)
    except RuntimeError:
        raise PruneError("the model's SentencePiece model cannot be read; pack it anew") from None
    # Joined, so that white space inside a piece separates words, as it does in the files that fairseq reads.
    return lambda line: " ".join(processor.encode(line, out_type=str))


def _subword_nmt(text: Mapping[str, Any]) -> Change:
    try:
        from subword_nmt.apply_bpe import BPE
    except ImportError:
        raise PruneError("the model's subwords are by subword-nmt; pip install subword-nmt") from None
    try:
        return BPE(StringIO(text["bpe_codes"]), separator=text.get("bpe_separator", "@@")).process_line
    except (SystemExit, ValueError, IndexError):  # it ends the process
        raise PruneError("the model's BPE codes cannot be read; pack it anew") from None


def _moses_tokenizer(text: Mapping[str, Any], side: str) -> Change:
    from sacremoses import MosesTokenizer

    return partial(
        MosesTokenizer(text.get(f"{side}_lang", "en")).tokenize,
        aggressive_dash_splits=not text.get("moses_no_dash_splits", False),
        escape=not text.get("moses_no_escape", False),
        return_str=True,
    )


def _moses_detokenizer(text: Mapping[str, Any]) -> Change:
    from sacremoses import MosesDetokenizer

    detokenizer = MosesDetokenizer(text.get("target_lang", "en"))
    return lambda line: detokenizer.detokenize(line.split())
