"""Byte streams of known sizes in one piece: Zstandard where that is smaller, as they are elsewhere."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

# Streams here are symbols without order: Huffman codes are all that pays, and short matches cost more than they save.
_COMPRESSOR = zstandard.ZstdCompressor(
    compression_params=zstandard.ZstdCompressionParameters.from_level(
        1, min_match=7, write_content_size=True, write_checksum=False
    )
)


class DamagedError(Exception):
    """A file says something that cannot be true."""


class StreamWriter:
    """Collects streams."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def put(self, data: bytes | npt.NDArray[Any]) -> None:
        """Appends a stream; of an array its bytes, little-endian."""
        raw = data if isinstance(data, bytes) else np.ascontiguousarray(data).tobytes()
        packed = _COMPRESSOR.compress(raw)
        self._parts.append(packed if len(packed) < len(raw) else raw)

    def extend(self, other: "StreamWriter") -> None:
        """Appends the streams of another writer."""
        self._parts += other._parts

    @property
    def lengths(self) -> list[int]:
        """Bytes of each stream as it is stored."""
        return [len(part) for part in self._parts]

    def join(self) -> bytes:
        """All streams, one behind the other."""
        return b"".join(self._parts)


class StreamReader:
    """Takes streams from untrusted bytes in the order in which they were put.

    Args:
        data: all streams.
        lengths: bytes of each.

    Raises:
        DamagedError: the lengths are not those of the data.
    """

    def __init__(self, data: bytes | memoryview, lengths: Sequence[Any]) -> None:
        if not all(type(length) is int and length >= 0 for length in lengths) or sum(lengths) != len(data):
            raise DamagedError("streams that do not fill their tensor")
        self._data, self._lengths, self._next, self._start = memoryview(data), list(lengths), 0, 0

    def take(self, size: int) -> bytes:
        """The next stream.

        Args:
            size: of the stream; not a byte more is ever allocated.

        Raises:
            DamagedError: there is none, or it has another size.
        """
        if self._next == len(self._lengths):
            raise DamagedError("too few streams")
        length = self._lengths[self._next]
        part = self._data[self._start : self._start + length]
        self._next, self._start = self._next + 1, self._start + length
        return bytes(part) if length == size else decompress(part, size)

    def array(self, dtype: str, count: int) -> npt.NDArray[Any]:
        """The next stream as an array."""
        return np.frombuffer(self.take(count * np.dtype(dtype).itemsize), dtype)

    def finish(self) -> None:
        """Checks that every stream was taken.

        Raises:
            DamagedError: some were not.
        """
        if self._next != len(self._lengths):
            raise DamagedError("too many streams")


def compress(data: bytes) -> bytes:
    """A Zstandard frame with its content size; for text, which has matches."""
    return zstandard.ZstdCompressor(level=9).compress(data)


def decompress(data: bytes | memoryview, size: int) -> bytes:
    """Unpacks one Zstandard frame.

    Raises:
        DamagedError: it is damaged, or its content is not of exactly this size.
    """
    if _content_size(data) != size:
        raise DamagedError("a stream of another size than stated")
    try:
        found = zstandard.ZstdDecompressor().decompress(data, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError:
        raise DamagedError("a stream that does not unpack") from None
    if len(found) != size:
        raise DamagedError("a stream of another size than stated")
    return found


def decompress_up_to(data: bytes, largest: int) -> bytes:
    """Unpacks one Zstandard frame whose content is not larger than this.

    Raises:
        DamagedError: it is damaged or larger.
    """
    size = _content_size(data)
    if size > largest:
        raise DamagedError("a text that a file of its size cannot hold")
    return decompress(data, size)


def _content_size(data: bytes | memoryview) -> int:
    """What a frame says before anything is allocated."""
    try:
        size = zstandard.frame_content_size(data)
    except zstandard.ZstdError:
        raise DamagedError("a stream that does not unpack") from None
    if size < 0:
        raise DamagedError("a stream that does not state its size")
    return size
