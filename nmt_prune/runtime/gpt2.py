"""GPT-2's byte-level BPE, as fairseq computes it: subwords are stored by their numbers."""

import json
from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import pairwise

import regex

from nmt_prune.errors import PruneError
from nmt_prune.text.subwords import GPT2, gpt2_alphabet, join

_WORDS = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


class Gpt2:
    """Splits and joins.

    Args:
        encoder_json: content of ``encoder.json``: the number of each subword.
        vocab_bpe: content of ``vocab.bpe``: the merges, the most frequent first, under a line with the version.
        are_numbers: whether the model's symbols are the numbers; if not, they are the subwords themselves.

    Raises:
        PruneError: the files are not GPT-2's.
    """

    def __init__(self, encoder_json: str, vocab_bpe: str, are_numbers: bool) -> None:
        try:
            self._numbers = {subword: str(int(number)) for subword, number in json.loads(encoder_json).items()}
            merges = [(first, second) for first, second in (line.split() for line in vocab_bpe.split("\n")[1:] if line)]
        except (ValueError, TypeError, AttributeError):
            raise PruneError("the model's encoder.json or vocab.bpe are not GPT-2's; pack it anew") from None
        self._ranks = {merge: rank for rank, merge in enumerate(merges)}
        self._alphabet = gpt2_alphabet()
        self._are_numbers = are_numbers
        self._merged = lru_cache(maxsize=100_000)(self._merge)

    def split(self, line: str) -> str:
        """Subwords of a line, with blanks between."""
        words = ("".join(self._alphabet[byte] for byte in word.encode()) for word in _WORDS.findall(line))
        subwords = [subword for word in words for subword in self._merged(word)]
        return " ".join(
            [self._numbers.get(subword, "<unk>") for subword in subwords] if self._are_numbers else subwords
        )

    def join(self, subwords: Sequence[str]) -> str:
        """The line that subwords stand for."""
        return join([self._subwords.get(subword, subword) for subword in subwords], GPT2)

    @cached_property
    def _subwords(self) -> dict[str, str]:
        return {number: subword for subword, number in self._numbers.items()} if self._are_numbers else {}

    def _merge(self, word: str) -> list[str]:
        parts, unknown = list(word), len(self._ranks)
        while len(parts) > 1:
            pairs = set(pairwise(parts))
            pair = min(pairs, key=lambda pair: self._ranks.get(pair, unknown))
            if pair not in self._ranks:
                break
            merged: list[str] = []
            place = 0
            while place < len(parts):
                size = 2 if tuple(parts[place : place + 2]) == pair else 1
                merged.append("".join(parts[place : place + size]))
                place += size
            parts = merged
        return parts
