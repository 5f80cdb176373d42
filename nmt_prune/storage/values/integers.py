"""Whole numbers of 8 bits, ternary ones among them: one symbol each."""

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from nmt_prune.storage.streams import StreamReader, StreamWriter


def encode(values: npt.NDArray[Any], writer: StreamWriter) -> dict[str, Any]:
    """Two's complement."""
    writer.put(values)
    return {}


def decode(record: Mapping[str, Any], kept: int, reader: StreamReader) -> npt.NDArray[Any]:
    """See :func:`encode`."""
    return reader.array("i1", kept)
