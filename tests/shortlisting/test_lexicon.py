"""Alignments of made-up parallel text whose translations are known."""

import numpy as np
import pytest
from scipy import sparse

from nmt_prune.shortlisting.lexicon import best, lexicon
from nmt_prune.shortlisting.sentences import Sentences

WORDS = 40


def quiet(line: str) -> None:
    pass


def parallel(pairs: int) -> tuple[Sentences, Sentences]:
    """Word s is s + 1 or s + 2 in the target, in some disorder, behind an article that has no source."""
    chance = np.random.default_rng(3)
    sources, targets = [], []
    for _ in range(pairs):
        source = (4 + 3 * chance.integers(0, WORDS, chance.integers(1, 9))).tolist()
        order = sorted(range(len(source)), key=lambda place: place + 1.5 * chance.random())
        sources.append(source)
        targets.append([124, *(source[place] + int(chance.integers(1, 3)) for place in order)])
    return Sentences.of(sources), Sentences.of(targets)


def test_translations_are_found():
    table = lexicon(*parallel(400), (124, 125), quiet).toarray()
    for word in range(4, 124, 3):
        assert set(np.argsort(-table[word])[:2]) == {word + 1, word + 2}
        assert table[word, word + 1 : word + 3].sum() > 0.7
    np.testing.assert_allclose(table[4::3].sum(axis=1), 1)
    assert not table[5::3].any()


def test_it_is_model_1(monkeypatch):
    """Against its sums, written out."""
    from nmt_prune.shortlisting import lexicon as module

    monkeypatch.setattr(module, "_PAIRS_AT_ONCE", 60)
    source, target = parallel(12)
    before = [array.copy() for side in (source, target) for array in (side.words, side.starts)]
    found = lexicon(source, target, (124, 125), quiet).toarray()
    after = [array for side in (source, target) for array in (side.words, side.starts)]
    assert all(np.array_equal(*arrays) for arrays in zip(before, after, strict=True)), "the text is left as it is"
    frequency = np.bincount(target.words, minlength=125) / len(target.words)
    table = np.full((124, 125), 1 / 125)
    for _ in range(module.ITERATIONS):
        counts = np.zeros((124, 125))
        for number in range(len(source)):
            theirs, own = (side.words[side.starts[number] : side.starts[number + 1]] for side in (source, target))
            for word in own:
                weights = (1 - module.NO_SOURCE) / len(theirs) * table[theirs, word]
                np.add.at(counts[:, word], theirs, weights / (weights.sum() + module.NO_SOURCE * frequency[word]))
        table = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-300)
    np.testing.assert_allclose(found, table, atol=1e-12)


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_the_best_of_each_row(count):
    table = sparse.csr_array(np.array([[0, 3.0, 1, 3], [0, 0, 0, 0], [5, 6, 7, 0]]))
    expected = {
        0: np.zeros((3, 4)),
        1: [[0, 3, 0, 0], [0, 0, 0, 0], [0, 0, 7, 0]],
        2: [[0, 3, 0, 3], [0, 0, 0, 0], [0, 6, 7, 0]],
        9: table.toarray(),
    }
    np.testing.assert_array_equal(best(table, count).toarray(), expected[count])
