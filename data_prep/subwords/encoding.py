"""Text as subwords: training text by length and ratio, held-out text as it is or as far as it is short enough."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from data_prep.cleaning.cleaner import DUPLICATE, KEPT, LENGTH, RATIO, SHARED, is_among
from data_prep.subwords.model import Segmenter
from data_prep.text.streaming import Block, Outcome


@dataclass(frozen=True)
class Limits:
    """Limits on the subwords of a pair, as clean-corpus-n.perl of fairseq's WMT recipes sets them after BPE.

    Attributes:
        max_length: longest side, without the end of sentence; 0 is no limit.
        max_ratio: how many times as long one side may be as the other; 0 is no limit.
    """

    max_length: int
    max_ratio: float

    def __str__(self) -> str:
        """What no pair is, and what to do about it."""
        length = f"has at most {self.max_length} subwords; raise --max-length"
        ratio = f"has sides of which one is at most {self.max_ratio:g} times as long as the other; raise --max-ratio"
        return " or ".join([*([length] if self.max_length else []), *([ratio] if self.max_ratio else [])])

    def refusal(self, source: int, target: int) -> str:
        """Why a pair of these lengths is left out; empty if it is not."""
        if self.max_length and max(source, target) > self.max_length:
            return LENGTH
        if self.max_ratio and max(source, target) > self.max_ratio * min(source, target):
            return RATIO
        return ""


@dataclass(frozen=True)
class Encoder:
    """Splits blocks of cleaned training text into subwords; its outputs are both sides.

    Attributes:
        model: SentencePiece model file.
        firsts: for each text a file (.npy) with a bool per pair: False leaves the pair out, as a duplicate.
        limits: limits on what is left.
        held_out: sentences of the held-out texts, whose training pairs are counted; nothing where they were left out.
    """

    model: Path
    firsts: Sequence[Path]
    limits: Limits
    held_out: frozenset[str] = field(default=frozenset(), repr=False)

    def __call__(self, block: Block) -> Outcome:
        """Segments a block."""
        size = len(block.source)
        first = np.load(self.firsts[block.text], mmap_mode="r")[block.line : block.line + size].tolist()
        counts = Counter({DUPLICATE: size - sum(first)})
        texts = [
            [line.decode() for line, is_first in zip(lines, first, strict=True) if is_first]
            for lines in (block.source, block.target)
        ]
        kept: tuple[list[str], list[str]] = ([], [])
        pairs = zip(*map(self.segmenter.segment, texts), strict=True)
        for text, pair in zip(zip(*texts, strict=True), pairs, strict=True):
            reason = self.limits.refusal(*map(len, pair))
            counts[reason or KEPT] += 1
            if not reason:
                counts[SHARED] += is_among([line.rstrip("\n") for line in text], self.held_out)
                for lines, pieces in zip(kept, pair, strict=True):
                    lines.append(" ".join(pieces) + "\n")
        return Outcome(["".join(lines).encode() for lines in kept], counts)

    @cached_property
    def segmenter(self) -> Segmenter:
        """The model, loaded once in each process."""
        return Segmenter(self.model.read_bytes())
