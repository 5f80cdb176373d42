"""Text of the validation set, as ``nmt-prune score`` makes it of subwords."""

from typing import Any

from torch import Tensor

from nmt_prune.storage.model.splitting import KINDS
from nmt_prune.text.subwords import join, joining_kind


class ValidationText:
    """Makes text of the tokens of hypotheses and references.

    Args:
        dictionary: fairseq's dictionary of the target.
        language: the target language.
        asked: the value of ``--eval-bleu-remove-bpe``; None: as the dictionary says.
        tokenizer: fairseq's ``--eval-bleu-detok``, which joins words; None: nothing does.

    Raises:
        PruneError: what is asked for contradicts the dictionary, or nobody says.
    """

    def __init__(self, dictionary: Any, language: str, asked: str | None, tokenizer: Any) -> None:
        what = f"the dictionary of {language}"
        self._kind = joining_kind(asked, dictionary.symbols, what, "--eval-bleu-remove-bpe")
        self._dictionary, self._tokenizer = dictionary, tokenizer

    def __call__(self, tokens: Tensor, unknown: str) -> str:
        """Text of a sentence.

        Args:
            tokens: its indices, of shape (length,).
            unknown: what unknown words are called.
        """
        fairseqs = None if self._kind in KINDS else self._kind
        text = str(self._dictionary.string(tokens.int().cpu(), fairseqs, unk_string=unknown))
        text = text if fairseqs else join(text.split(" "), self._kind)
        return str(self._tokenizer.decode(text)) if self._tokenizer else text
