"""Numbers of a few bits, packed as they are: whole bytes, then single bits."""

from typing import Any

import numpy as np
import numpy.typing as npt

from nmt_prune.storage.coding.streams import StreamReader, StreamWriter


def encode(numbers: npt.NDArray[Any], width: int, writer: StreamWriter) -> None:
    """Writes the ``width`` lower bits of unsigned numbers.

    One stream for each of the width // 8 lowest bytes, the lowest first, then one for each bit above them, the lower
    first: the first number's bit is the highest of the first byte.
    """
    for byte in range(width // 8):
        writer.put((numbers >> (8 * byte)).astype(np.uint8))
    above = (numbers >> (width // 8 * 8)).astype(np.uint8)
    for bit in range(width % 8):
        writer.put(np.packbits(above & (1 << bit)))


def decode(dtype: str, width: int, size: int, reader: StreamReader) -> npt.NDArray[Any]:
    """Reads ``size`` numbers of a type."""
    numbers = np.zeros(size, dtype)
    for byte in range(width // 8):
        numbers |= reader.array("u1", size).astype(dtype) << (8 * byte)
    above = np.zeros(size, np.uint8)
    for bit in range(width % 8):
        above |= np.unpackbits(reader.array("u1", -(-size // 8)), count=size) << bit
    if width % 8:
        numbers |= above.astype(dtype) << (width // 8 * 8)
    return numbers
