"""A lexical shortlist: of which target subwords a translation is made, by the subwords of its source."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from nmt_prune.text.dictionaries import SPECIAL

MULTIPLE = 8
"""Of words: kernels take so many rows at a time."""


@dataclass(frozen=True, eq=False)
class Shortlist:
    """Candidates of each source subword, as fast decoders have had since Le et al. 2012 and Jean et al. 2015.

    Attributes:
        frequent: int32, ascending rows of the target dictionary that are candidates of every sentence.
        starts: (source symbols + 1,), int64: where the candidates of each source symbol begin.
        candidates: int32, rows of the target dictionary, ascending for each source symbol.
        size: number of target symbols.
    """

    frequent: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    candidates: npt.NDArray[np.int32]
    size: int

    def of(self, row: int) -> npt.NDArray[np.int32]:
        """Candidates of a source symbol."""
        return self.candidates[self.starts[row] : self.starts[row + 1]]

    def words(self, sources: Iterable[Sequence[int]], prefixes: Iterable[Sequence[int]] = ()) -> npt.NDArray[np.int32]:
        """Rows of which the translations of a batch are made, ascending.

        The special symbols are among them. The first of the dictionary make up for what is missing to a multiple of
        ``MULTIPLE``.

        Args:
            sources: rows of the source dictionary.
            prefixes: rows of the target dictionary that must be among them.
        """
        chosen = np.zeros(self.size, np.bool_)
        chosen[: len(SPECIAL)] = True
        chosen[self.frequent] = True
        rows = np.unique(np.fromiter(chain(*sources), np.int64))
        lengths = self.starts[rows + 1] - self.starts[rows]
        first = self.starts[rows] - np.cumsum(lengths) + lengths
        chosen[self.candidates[np.arange(int(lengths.sum())) + np.repeat(first, lengths)]] = True
        for prefix in prefixes:
            chosen[list(prefix)] = True
        if missing := -int(np.count_nonzero(chosen)) % MULTIPLE:
            chosen[np.flatnonzero(~chosen)[:missing]] = True
        return np.flatnonzero(chosen).astype(np.int32)


def from_lists(frequent: Iterable[int], candidates: Sequence[Iterable[int]], size: int) -> Shortlist:
    """A shortlist from the candidates of each source symbol, in any order.

    Args:
        frequent: see :class:`Shortlist`.
        candidates: of each source symbol.
        size: number of target symbols.
    """
    rows = [np.unique(np.fromiter(row, np.int32)) for row in candidates]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
    return Shortlist(np.unique(np.fromiter(frequent, np.int32)), starts, np.concatenate(rows), size)
