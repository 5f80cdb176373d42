"""The number of zeros in front of each kept element, in a byte: the smallest form of sparse masks.

Bytes of a random mask are independent; Huffman codes, which Zstandard uses, come within about 1 % of their entropy.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt_prune.storage.coding.records import count
from nmt_prune.storage.coding.streams import DamagedError, StreamReader, StreamWriter

SKIP = 255
"""This byte stands for as many zeros, with no kept element behind them."""


def encode(mask: npt.NDArray[np.bool_], writer: StreamWriter) -> dict[str, Any]:
    """Elements behind the last kept one are not written."""
    kept = np.flatnonzero(mask)
    zeros = np.diff(kept, prepend=-1) - 1
    skips = zeros // SKIP
    if skips.any():
        stored = np.full(kept.size + int(skips.sum()), SKIP, np.uint8)
        stored[np.cumsum(skips + 1) - 1] = zeros % SKIP
    else:
        stored = zeros.astype(np.uint8)
    writer.put(stored)
    return {"gaps": stored.size}


def decode(record: Mapping[str, Any], elements: int, reader: StreamReader) -> npt.NDArray[np.bool_]:
    """See :func:`encode`.

    Raises:
        DamagedError: an element behind the last one is kept.
    """
    stored = reader.array("u1", count(record, "gaps", elements + elements // SKIP))
    steps = stored.astype(np.int64)
    ends = stored != SKIP
    steps += ends
    kept = np.cumsum(steps)[ends] - 1
    if kept.size and kept[-1] >= elements:
        raise DamagedError("a kept element outside of the tensor")
    mask = np.zeros(elements, np.bool_)
    mask[kept] = True
    return mask
