"""First occurrences among many hashes."""

import numpy as np
import pytest

from data_prep.cleaning import duplicates
from data_prep.cleaning.duplicates import first_occurrences


def by_hand(texts):
    seen, firsts = set(), []
    for text in texts:
        firsts.append([not (value in seen or seen.add(value)) for value in text.tolist()])
    return firsts


@pytest.mark.parametrize("bucket", [1, 7, 100, 1 << 20])
def test_equals_a_walk_with_a_set_whatever_the_buckets(monkeypatch, bucket):
    monkeypatch.setattr(duplicates, "_PAIRS_PER_BUCKET", bucket)
    monkeypatch.setattr(duplicates, "_PAIRS_PER_READ", 13)
    draw = np.random.default_rng(1)
    texts = [draw.integers(0, 60, size, dtype=np.uint64) for size in (100, 0, 1, 57)]
    texts[0][:5] = np.uint64(2**64 - 1)
    found = first_occurrences(texts)
    assert [text.tolist() for text in found] == by_hand(texts)


def test_nothing_has_no_duplicates():
    assert first_occurrences([]) == []
    assert [text.tolist() for text in first_occurrences([np.zeros(0, dtype="<u8")])] == [[]]
