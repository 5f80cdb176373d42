"""One tensor to bytes and back."""

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from nmt_prune.storage.coding import positions, values
from nmt_prune.storage.coding.records import count, counts, mapping
from nmt_prune.storage.coding.streams import DamagedError, StreamReader, StreamWriter
from nmt_prune.storage.model.kept_values import KeptValues

LARGEST_SIZE = 2**40
"""Bound of every dimension and number of elements, so that none of their products overflows."""


def encode(tensor: KeptValues) -> tuple[dict[str, Any], bytes]:
    """Encodes a tensor.

    Returns:
        The record that :func:`decode` needs, as JSON values, and the bytes.
    """
    writer = StreamWriter()
    record: dict[str, Any] = {"shape": list(tensor.shape), "kept": tensor.kept}
    if tensor.mask is not None:
        record["mask"] = positions.encode(tensor.mask, tensor.shape, writer)
    record["values"] = values.encode(tensor.values, writer)
    if tensor.scales is not None:
        record["scales"] = values.encode(tensor.scales, writer)
    if tensor.negative_zeros is not None and tensor.negative_zeros.any():
        record["negative_zeros"] = int(np.count_nonzero(tensor.values == 0))
        writer.put(np.packbits(tensor.negative_zeros[tensor.values == 0]))
    return {**record, "streams": writer.lengths}, writer.join()


def shape_of(record: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape that a record states.

    Raises:
        DamagedError: it is no shape of a vector or matrix, or larger than anything.
    """
    shape = counts(record, "shape", LARGEST_SIZE)
    if len(shape) not in (1, 2) or prod(shape) > LARGEST_SIZE:
        raise DamagedError(f"shape {str(shape)[:40]}")
    return shape


def decode(record: Mapping[str, Any], data: bytes | memoryview) -> KeptValues:
    """Decodes a tensor that anybody may have written.

    What is allocated is bounded by the shape in the record.

    Raises:
        DamagedError: record and bytes do not make a tensor.
    """
    shape = shape_of(record)
    kept = count(record, "kept", prod(shape))
    streams = record.get("streams")
    reader = StreamReader(data, streams if isinstance(streams, list) else [-1])
    mask = positions.decode(mapping(record, "mask"), shape, reader) if "mask" in record else None
    if kept != (prod(shape) if mask is None else np.count_nonzero(mask)):
        raise DamagedError("another number of kept elements than stated")
    found = values.decode(mapping(record, "values"), kept, reader)
    is_int = found.dtype == np.int8
    if is_int != ("scales" in record):
        raise DamagedError("scales")
    scales = values.decode(mapping(record, "scales"), shape[0], reader) if is_int else None
    if scales is not None and scales.dtype != np.float32:
        raise DamagedError("scales of another type")
    negative = None
    if "negative_zeros" in record:
        zeros = found == 0
        if count(record, "negative_zeros", kept) != np.count_nonzero(zeros) or not is_int:
            raise DamagedError("negative zeros")
        negative = np.zeros(kept, np.bool_)
        size = int(np.count_nonzero(zeros))
        negative[zeros] = np.unpackbits(reader.array("u1", -(-size // 8)), count=size).view(np.bool_)
    reader.finish()
    return KeptValues(shape, mask, found, scales, negative)
