"""Many sentences in two arrays."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sentences:
    """One side of a parallel corpus.

    Attributes:
        words: rows of the dictionary, one sentence behind the other.
        starts: (sentences + 1,): where each begins.
    """

    words: Integers
    starts: Integers

    @classmethod
    def of(cls, sentences: Iterable[Sequence[int]]) -> "Sentences":
        """From the rows of each."""
        kept = list(sentences)
        lengths = np.fromiter(map(len, kept), np.int64, len(kept))
        words = np.fromiter(chain.from_iterable(kept), np.int64, int(lengths.sum()))
        return cls(words, np.concatenate([[0], np.cumsum(lengths)]))

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Integers:
        """Words of each."""
        return np.diff(self.starts)
