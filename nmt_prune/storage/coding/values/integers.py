"""Whole numbers of 8 bits: of few levels, ternary ones above all, several to a byte."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt_prune.storage.coding.records import counts
from nmt_prune.storage.coding.streams import DamagedError, StreamReader, StreamWriter

MOST_LEVELS = 16  # of which two fit into a byte


def encode(values: npt.NDArray[Any], writer: StreamWriter) -> dict[str, Any]:
    """One stream.

    With at most 16 different ``levels``, the indices of n values, n the most that fit, are the digits of one byte to
    the base of their number, the first value's digit the lowest; index 0 fills up the last byte. With more, each value
    has a byte, in two's complement.
    """
    present = np.bincount(values.view(np.uint8), minlength=256)
    levels = np.sort(np.flatnonzero(present).astype(np.uint8).view(np.int8))
    if not 0 < levels.size <= MOST_LEVELS:
        writer.put(values)
        return {}
    weights = _digit_weights(levels.size)
    digits = np.zeros(-(-values.size // weights.size) * weights.size, np.uint8)
    digits[: values.size] = np.searchsorted(levels, values)
    writer.put((digits.reshape(-1, weights.size) * weights).sum(axis=1, dtype=np.uint8))
    return {"levels": levels.tolist()}


def decode(record: Mapping[str, Any], kept: int, reader: StreamReader) -> npt.NDArray[Any]:
    """See :func:`encode`.

    Raises:
        DamagedError: there are too many levels, or a byte holds a level that does not exist.
    """
    if "levels" not in record:
        return reader.array("i1", kept)
    levels = np.array(counts(record, "levels", 127, -128), np.int8)
    if not 0 < levels.size <= MOST_LEVELS:
        raise DamagedError("levels")
    weights = _digit_weights(levels.size)
    packed = reader.array("u1", -(-kept // weights.size))
    if packed.size and int(packed.max()) >= levels.size**weights.size:
        raise DamagedError("a level that does not exist")
    # One look-up gives all values of a byte.
    table = levels[np.arange(levels.size**weights.size)[:, None] // weights % levels.size]
    return table[packed].reshape(-1)[:kept]


def _digit_weights(base: int) -> npt.NDArray[np.uint8]:
    """1, base, base², ...: as many as a byte holds digits, 8 at most."""
    digits = next(count for count in range(8, 0, -1) if base**count <= 256)
    return (base ** np.arange(digits)).astype(np.uint8)
