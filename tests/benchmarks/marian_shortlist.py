"""A shortlist in the binary file of Marian: a header, where each source word's list begins, and the lists."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nmt_prune.storage.model.shortlist import Shortlist

_MAGIC = 0xF11A48D5013417F5


def write_marian(shortlist: Shortlist, source: Sequence[int], target: Sequence[int], path: Path) -> None:
    """Writes the file without its checksum; words of every sentence stand in every list.

    Args:
        shortlist: by rows of the model's dictionaries.
        source: row of the source dictionary of each of Marian's words.
        target: the same of the target dictionary.
        path: the file.
    """
    word_of = np.zeros(shortlist.size, np.int64)
    word_of[list(target)[::-1]] = np.arange(len(target))[::-1]  # of several words the first
    lists = [np.union1d(word_of[shortlist.frequent], word_of[shortlist.of(row)]) for row in source]
    starts = np.concatenate([[0], np.cumsum([*map(len, lists)])]).astype(np.uint64)
    joined = np.concatenate(lists).astype(np.uint32)
    header = np.array([_MAGIC, 0, 0, max(map(len, lists)), len(starts), len(joined)], np.uint64)
    path.write_bytes(header.tobytes() + starts.tobytes() + joined.tobytes())
