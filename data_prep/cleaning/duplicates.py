"""Exact duplicates among any number of pairs, found by their hashes in constant memory."""

from collections.abc import Sequence

import numpy as np

_PAIRS_PER_BUCKET = 1 << 20
_PAIRS_PER_READ = 1 << 20


def first_occurrences(hashes: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Tells for each pair of several texts whether it is the first of its kind.

    Hashes are looked at bucket by bucket, so that only about a million are in memory at a time. Among 40 million
    pairs, the chance that two different ones share a hash of 64 bits is 1 in 20,000.

    Args:
        hashes: unsigned integers of 64 bits for each text, in the order of its pairs; they may be memory maps.

    Returns:
        A bool per pair for each text.
    """
    first = [np.zeros(len(text), dtype=bool) for text in hashes]
    buckets = np.uint64(-(-sum(map(len, hashes)) // _PAIRS_PER_BUCKET))
    for bucket in range(int(buckets)):
        places = [_members(text, buckets, np.uint64(bucket)) for text in hashes]
        members = np.concatenate([text[at] for text, at in zip(hashes, places, strict=True)])
        _, firsts = np.unique(members, return_index=True)
        begin = 0
        for at, found in zip(places, first, strict=True):
            end = begin + len(at)
            found[at[firsts[(begin <= firsts) & (firsts < end)] - begin]] = True
            begin = end
    return first


def _members(hashes: np.ndarray, buckets: np.uint64, bucket: np.uint64) -> np.ndarray:
    reads = range(0, len(hashes), _PAIRS_PER_READ)
    return np.concatenate(
        [np.flatnonzero(hashes[at : at + _PAIRS_PER_READ] % buckets == bucket) + at for at in reads]
        or [np.zeros(0, dtype=np.int64)]
    )
