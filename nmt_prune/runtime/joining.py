"""From subwords to a line of text, as a model's text was split."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from nmt_prune.runtime.gpt2 import Gpt2
from nmt_prune.text.subwords import GPT2, NONE, SEPARATOR, join

Joiner = Callable[[Sequence[str]], str]


def joiner(text: Mapping[str, Any], kind: str) -> Joiner:
    """Joins subwords to words, and words to text.

    Args:
        text: see :attr:`nmt_prune.storage.model.compact_model.CompactModel.text`.
        kind: the kind of the target's subwords, as ``nmt_prune.text.subwords.join`` knows it.
    """
    subwords: Joiner = partial(join, kind=kind, separator=text.get("bpe_separator", SEPARATOR))
    if text.get("bpe") == GPT2 and kind == NONE:
        subwords = Gpt2(text["gpt2_encoder_json"], text["gpt2_vocab_bpe"], are_numbers=True).join
    if text.get("tokenizer") != "moses":
        return subwords
    from sacremoses import MosesDetokenizer

    detokenizer = MosesDetokenizer(text.get("target_lang") or "en")
    return lambda line: detokenizer.detokenize(subwords(line).split())
