"""Which words translate which: word alignments of a parallel corpus by expectation maximisation.

IBM model 1 (Brown et al. 1993); a target word without a source has fast_align's fixed probability and comes by its
frequency (Dyer et al. 2013). Their preference of the diagonal covered no more of translations with longer lists. A word
may only translate those with which it occurs most, by Dice's coefficient: that bounds the table.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from nmt_prune.shortlisting.sentences import Integers, Sentences

NO_SOURCE = 0.08
MOST_CANDIDATES = 500
ITERATIONS = 5
_WORDS_AT_ONCE, _PAIRS_AT_ONCE = 500, 2_000_000


def lexicon(source: Sentences, target: Sentences, sizes: tuple[int, int], report: Callable[[str], None]) -> Any:
    """Translation probabilities.

    Args:
        source: the source side, no sentence empty.
        target: the target side, no sentence empty.
        sizes: symbols of the source and of the target dictionary.
        report: called with a line before each pass over the corpus.

    Returns:
        A SciPy array in compressed sparse rows, source × target symbols: the probability that the source word
        produces the target word.
    """
    report(f"{len(source):,} pairs of sentences: which words occur together")
    table = _candidates(source, target, sizes)
    rows = np.repeat(np.arange(sizes[0]), np.diff(table.indptr))
    places = sparse.csr_array((np.arange(1, table.nnz + 1), table.indices, table.indptr), shape=sizes)
    frequency = np.bincount(target.words, minlength=sizes[1]) / len(target.words)
    # In front the pairs that are no candidates.
    probabilities = np.full(table.nnz + 1, 1 / sizes[1])
    probabilities[0] = 0.0
    for iteration in range(1, ITERATIONS + 1):
        report(f"alignment, pass {iteration} of {ITERATIONS}")
        counts = np.zeros(table.nnz + 1)
        for grid in _grids(source, target):
            place = np.asarray(places[grid.source, grid.target]).ravel()
            weight = (1 - NO_SOURCE) * probabilities[place] / np.repeat(grid.widths, grid.widths)
            total = np.add.reduceat(weight, grid.begins) + NO_SOURCE * frequency[grid.target[grid.begins]]
            np.add.at(counts, place, weight / np.repeat(total, grid.widths))
        sums = np.bincount(rows, counts[1:], minlength=sizes[0])
        probabilities[1:] = counts[1:] / np.maximum(sums, np.finfo(np.float64).tiny)[rows]
    return sparse.csr_array((probabilities[1:], table.indices, table.indptr), shape=sizes)


def best(table: Any, count: int) -> Any:
    """The largest elements of each row, of equal ones the first.

    Args:
        table: in compressed sparse rows.
        count: how many of a row.
    """
    lengths = np.diff(table.indptr)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((table.indices, -table.data, rows))
    rank = np.arange(table.nnz) - np.repeat(table.indptr[:-1], lengths)
    chosen = np.sort(order[rank < count])
    starts = np.concatenate([[0], np.cumsum(np.minimum(lengths, count))])
    return sparse.csr_array((table.data[chosen], table.indices[chosen], starts), shape=table.shape)


def _candidates(source: Sentences, target: Sentences, sizes: tuple[int, int]) -> Any:
    by_word = _occurrences(source, sizes[0]).T.tocsr()
    words = _occurrences(target, sizes[1])
    frequency = words.sum(axis=0)
    blocks = []
    for first in range(0, sizes[0], _WORDS_AT_ONCE):
        some = by_word[first : first + _WORDS_AT_ONCE]
        together = (some @ words).tocsr()
        together.sort_indices()
        own = np.repeat(some.sum(axis=1), np.diff(together.indptr))
        together.data = 2 * together.data / (own + frequency[together.indices])
        blocks.append(best(together, MOST_CANDIDATES))
    return sparse.vstack(blocks, format="csr")


def _occurrences(side: Sentences, size: int) -> Any:
    """Sentences × words, 1 where a sentence has a word."""
    # A copy: what follows sorts the words of a sentence and leaves out those that come again.
    entries = np.ones(len(side.words)), side.words.copy(), side.starts.copy()
    found = sparse.csr_array(entries, shape=(len(side), size))
    found.sum_duplicates()
    found.data[:] = 1
    return found


class _Grid(NamedTuple):
    """All pairs of a source and a target word of the same sentences, a target word's next to each other.

    Attributes:
        source: the source word of each pair.
        target: its target word.
        begins: where the pairs of each target word begin.
        widths: how many they are.
    """

    source: Integers
    target: Integers
    begins: Integers
    widths: Integers


def _grids(source: Sentences, target: Sentences) -> Iterator[_Grid]:
    """The pairs of all sentences, some sentences at a time."""
    pairs = np.cumsum(source.lengths * target.lengths)
    first = 0
    while first < len(source):
        done = pairs[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(pairs, done + _PAIRS_AT_ONCE, "right")))
        yield _grid(source, target, first, last)
        first = last


def _grid(source: Sentences, target: Sentences, first: int, last: int) -> _Grid:
    lengths = target.lengths[first:last]
    sentence = np.repeat(np.arange(first, last), lengths)
    widths = source.lengths[sentence]
    begins = np.cumsum(widths) - widths
    place = np.arange(int(widths.sum())) - np.repeat(begins, widths)
    theirs = source.words[np.repeat(source.starts[sentence], widths) + place]
    own = np.repeat(target.words[target.starts[first] : target.starts[last]], widths)
    return _Grid(theirs, own, begins, widths)
