"""One bit per element: the smallest form of masks that keep more than about a quarter, and of N:M masks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt_prune.storage.coding.streams import StreamReader, StreamWriter


def encode(mask: npt.NDArray[np.bool_], writer: StreamWriter) -> dict[str, Any]:
    """The first element is the highest bit of the first byte; the last byte is filled up with zeros."""
    writer.put(np.packbits(mask))
    return {}


def decode(record: Mapping[str, Any], elements: int, reader: StreamReader) -> npt.NDArray[np.bool_]:
    """See :func:`encode`."""
    bits = reader.array("u1", -(-elements // 8))
    return np.unpackbits(bits, count=elements).view(np.bool_)
