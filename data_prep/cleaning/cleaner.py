"""Which training pairs are left out, and why."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b

from data_prep.cleaning.languages import LanguageFilter
from data_prep.text.streaming import Block, Outcome
from data_prep.text.texts import Text, not_utf8
from nmt_prune.text.normalisation import normalise, one_line

HASH_BYTES = 8
READ, KEPT = "read", "kept"
SHARED = "shared with held-out text"
"""Pairs that are kept, since nothing is cleaned, although one of their sides is a held-out sentence."""

ENCODING, EMPTY, IDENTICAL, LENGTH = "not UTF-8", "empty", "identical", "length"
LANGUAGE, HELD_OUT, DUPLICATE, RATIO = "language", "held out", "duplicate", "ratio"
REASONS = (ENCODING, EMPTY, IDENTICAL, LENGTH, LANGUAGE, HELD_OUT, DUPLICATE, RATIO)
"""Why a pair is left out, as tables have it. A pair counts for the first filter that refuses it: they are asked in this
order, but held-out sentences before languages, and lengths in subwords after duplicates."""

# Far beyond 250 subwords in any language: not worth decoding.
_LONGEST_LINE = 100_000


@dataclass(frozen=True)
class Cleaning:
    """Settings of the cleaning of training text.

    Attributes:
        clean: whether text is normalised and filtered at all; if not, only white space is, and empty pairs go.
        max_words: longest sentence; 0 is no limit. (A limit in subwords is one in words too, and this one is cheap.)
        identify_languages: whether sentences that are in another language than their side go.
        keep_going: leave out lines that are not UTF-8 instead of refusing the text.
    """

    clean: bool
    max_words: int
    identify_languages: bool
    keep_going: bool


@dataclass(frozen=True)
class Cleaner:
    """Cleans blocks of training text; its outputs are both sides and a hash of each pair.

    Attributes:
        text: what the blocks come from.
        languages: of source and target.
        cleaning: the settings.
        held_out: sentences of the held-out texts, as ``fold`` gives them; a pair with one of them on either side goes.
    """

    text: Text
    languages: tuple[str, str]
    cleaning: Cleaning
    held_out: frozenset[str] = field(repr=False)

    def __call__(self, block: Block) -> Outcome:
        """Cleans a block.

        Raises:
            PruneError: a line is not UTF-8 and the text is not one to ``keep_going`` with.
        """
        counts = Counter({READ: len(block.source)})
        pairs = []
        for line, (source, target) in enumerate(zip(block.source, block.target, strict=True), start=block.line):
            pair, reason = self._look_at(line, source, target)
            if reason:
                counts[reason] += 1
            else:
                pairs.append(pair)
        if self.cleaning.identify_languages:
            kept = self._identifier.filter(pairs)
            counts[LANGUAGE] += len(pairs) - len(kept)
            pairs = kept
        sides = [b"".join(f"{pair[side]}\n".encode() for pair in pairs) for side in (0, 1)]
        return Outcome([*sides, b"".join(map(_hash, pairs))], counts)

    def _look_at(self, line: int, *sides: bytes) -> tuple[tuple[str, str], str]:
        """The pair as it will be, and why it is left out."""
        if self.cleaning.clean and self.cleaning.max_words and max(map(len, sides)) > _LONGEST_LINE:
            return ("", ""), LENGTH
        texts = []
        for side, language, file in zip(sides, self.languages, self.text[1:], strict=True):
            try:
                text = side.decode("utf-8-sig" if line == 0 else "utf-8")
            except UnicodeDecodeError as error:
                if self.cleaning.keep_going:
                    return ("", ""), ENCODING
                raise not_utf8(file, line + 1, error) from None
            texts.append(normalise(text, language) if self.cleaning.clean else one_line(text))
        pair = (texts[0], texts[1])
        return pair, self._refusal(*pair)

    def _refusal(self, source: str, target: str) -> str:
        if not (source and target):
            return EMPTY
        if not self.cleaning.clean:
            return ""
        if source == target:
            return IDENTICAL
        if self.cleaning.max_words and max(source.count(" "), target.count(" ")) >= self.cleaning.max_words:
            return LENGTH
        return HELD_OUT if is_among((source, target), self.held_out) else ""

    @cached_property
    def _identifier(self) -> LanguageFilter:
        return LanguageFilter(self.languages)


def fold(sentence: str) -> str:
    """What two sentences have in common that differ in case only."""
    return sentence.casefold()


def is_among(pair: Sequence[str], held_out: frozenset[str]) -> bool:
    """Whether a side of a pair is one of the held-out sentences, as ``fold`` gives them."""
    return any(fold(sentence) in held_out for sentence in pair)


def folded(sentences: Iterable[str], language: str) -> frozenset[str]:
    """The sentences of a held-out text, as a Cleaner compares them: also as they are before they are normalised."""
    return frozenset(fold(form) for line in sentences for form in (one_line(line), normalise(line, language)) if form)


def _hash(pair: tuple[str, str]) -> bytes:
    return blake2b("\n".join(pair).encode(), digest_size=HASH_BYTES).digest()
