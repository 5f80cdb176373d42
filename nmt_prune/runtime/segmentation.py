"""Lines of text as subwords and back, as fairseq's tokenizers and subword models do it."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from functools import partial
from io import StringIO
from typing import Any

from nmt_prune.errors import PruneError
from nmt_prune.runtime.gpt2 import Gpt2
from nmt_prune.runtime.joining import joiner
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.splitting import KINDS
from nmt_prune.storage.model.splitting_checks import missing_part
from nmt_prune.text.normalisation import PUNCTUATION, normalise, one_line
from nmt_prune.text.subwords import FASTBPE, GPT2, NONE, SENTENCEPIECE, SEPARATOR, SUBWORD_NMT, kind_of

Change = Callable[[str], str]
_NONE = (None, "", "none")


class Segmentation:
    """Both ways between a line and its subwords.

    Codes of ``subword_nmt`` or ``fastbpe`` that are not stored leave lines as they are: they must have been split
    already, as those that are given to ``fairseq-preprocess``.

    Args:
        model: whose ``text`` says how: ``normalisation``, ``bpe``, ``tokenizer`` and their settings by fairseq's names.
            Where it says nothing about subwords, the marks in the dictionaries do.

    Raises:
        PruneError: it names a tokenizer or subword model that is not known here, or whose package is missing.

    Warns:
        RuntimeWarning: the dictionary holds subwords, but lines cannot be split into them.
    """

    def __init__(self, model: CompactModel) -> None:
        text = model.text
        bpe = text.get("bpe")
        kinds = [_kind(symbols, side) for symbols, side in ((model.source, "source"), (model.target, "target"))]
        if bpe in (None, ""):
            bpe = kinds[0] or NONE
        self._split: Change = _same
        self._normalise: dict[str, Change] = {"source": _same, "target": _same}
        if text.get("normalisation") == PUNCTUATION:
            for side in self._normalise:
                self._normalise[side] = partial(normalise, language=text.get(f"{side}_lang") or "en")
        self._tokenize: dict[str, Change] = {"source": _same, "target": _same}
        if text.get("tokenizer") == "moses":
            for side in self._tokenize:
                self._tokenize[side] = _moses_tokenizer(text, side)
        elif text.get("tokenizer") not in (*_NONE, "space"):
            raise PruneError(
                f"the model's tokenizer is {text['tokenizer']}; only moses, space and none are known here: give lines"
                " that it has split already, with --tokenizer none"
            )
        # A target that is not split as the source is joined by its own marks.
        joining = bpe if kinds[1] is None or kinds == [NONE, NONE] else kinds[1]
        if bpe == NONE and kinds[0] != NONE:
            said = "as --bpe none says" if text.get("bpe") else "as the dictionary does not say how"
            message = f"lines must have been split into subwords already, {said}"
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        if bpe not in KINDS:
            raise PruneError(
                f"the model's subwords are by {bpe}; only {', '.join(KINDS)} are known here: give lines that are split"
                " already, with --bpe none"
            )
        if missing := missing_part({**text, "bpe": bpe}, model.sentencepiece is not None):
            if bpe in (SENTENCEPIECE, GPT2):
                raise PruneError(f"the model's subwords are by {bpe}, but {missing}")
            message = f"lines must have been split into subwords already, as {missing}"
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        elif bpe == SENTENCEPIECE:
            self._split = _sentencepiece(model.sentencepiece)
        elif bpe in (SUBWORD_NMT, FASTBPE):
            self._split = _subword_nmt(text)
        elif bpe == GPT2:
            are_numbers = kinds[0] != GPT2
            self._split = Gpt2(text["gpt2_encoder_json"], text["gpt2_vocab_bpe"], are_numbers).split
            joining = NONE if are_numbers else joining
        self._join = joiner(text, joining)

    def split(self, line: str, side: str = "source") -> list[str]:
        """Subwords of a line.

        Args:
            line: the line; what Unicode counts as white space separates words.
            side: whose tokenizer is taken, ``source`` or ``target``.
        """
        return self._split(self._tokenize[side](self._normalise[side](line.strip()))).split()

    def join(self, subwords: Sequence[str]) -> str:
        """The line that subwords stand for."""
        return self._join(subwords)


def _kind(symbols: Sequence[str], side: str) -> str | None:
    try:
        return kind_of(symbols, f"the {side} dictionary")
    except PruneError:
        return None  # it cannot be told; whoever packed the model knows


def _same(line: str) -> str:
    return line


def _sentencepiece(model: bytes | None) -> Change:
    from sentencepiece import SentencePieceProcessor

    try:
        processor = SentencePieceProcessor(model_proto=model)
    except RuntimeError:
        raise PruneError("the model's SentencePiece model cannot be read; pack it anew") from None
    # Joined, so that white space inside a piece separates words, as it does in the files that fairseq reads.
    # One blank between words, as text is made that a subword model is trained on: it knows no other white space.
    return lambda line: " ".join(processor.encode(one_line(line), out_type=str))


def _subword_nmt(text: Mapping[str, Any]) -> Change:
    try:
        from subword_nmt.apply_bpe import BPE
    except ImportError:
        raise PruneError("the model's subwords are by subword-nmt; pip install subword-nmt") from None
    try:
        with redirect_stderr(StringIO()):  # where it has its say before it exits
            codes = BPE(StringIO(text["bpe_codes"]), separator=text.get("bpe_separator", SEPARATOR))
    except (SystemExit, ValueError, IndexError):
        raise PruneError("the codes of the model's subwords cannot be read; pack it anew with --bpe-codes") from None
    return lambda line: codes.process_line(one_line(line))


def _moses_tokenizer(text: Mapping[str, Any], side: str) -> Change:
    from sacremoses import MosesTokenizer

    return partial(
        MosesTokenizer(text.get(f"{side}_lang", "en")).tokenize,
        aggressive_dash_splits=not text.get("moses_no_dash_splits", False),
        escape=not text.get("moses_no_escape", False),
        return_str=True,
    )
