"""Kept values: floating-point numbers, or whole numbers with a scale per row."""

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from nmt_prune.storage.coding.records import one_of
from nmt_prune.storage.coding.streams import StreamReader, StreamWriter
from nmt_prune.storage.coding.values import floats, integers

TYPES = ("float16", "float32", "int8")


def encode(values: npt.NDArray[Any], writer: StreamWriter) -> dict[str, Any]:
    """Writes values of one of ``TYPES``; returns what a reader has to know."""
    coder = integers if values.dtype == "int8" else floats
    return {"type": values.dtype.name, **coder.encode(values, writer)}


def decode(record: Mapping[str, Any], kept: int, reader: StreamReader) -> npt.NDArray[Any]:
    """Reads so many values.

    Raises:
        DamagedError: what is stored is not so many values.
    """
    name = one_of(record, "type", TYPES)
    return (integers if name == "int8" else floats).decode(record, kept, reader)
