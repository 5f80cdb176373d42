"""Text as people keep it: compressed, with a byte-order mark, or in what only looks like plain UTF-8."""

import bz2
import gzip
import io
import lzma
import re
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import zstandard

from nmt_prune.errors import PruneError

SUFFIXES = (".gz", ".xz", ".zst", ".bz2")
"""Of files that are read as if they were not compressed."""

_KNOWN = ", ".join(SUFFIXES)

# Roots of WMT's test sets, translation memories and web pages; other markup may be what somebody wants to translate.
_MARKUP = re.compile(
    rb"\s*<(\?xml\b|!doctype\b|(srcset|refset|tstset|mteval|tmx|xliff|html)\b[^<]*>|doc\b[^<]*\b(doc|sys|orig)[^<]*>)",
    re.IGNORECASE,
)
_ARCHIVES = {
    b"PK\x03\x04": "zip",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"\x1f\x9d": "compress",
    b"\x04\x22\x4d\x18": "lz4",
    b"LZIP": "lzip",
    b"%PDF-": "PDF",
}
_DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError)


def text_lines(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """Lines of a text with their line feeds, decompressed (gzip, xz, Zstandard, bzip2), without a byte-order mark.

    Args:
        stream: where the text comes from; nothing is read before the first line is asked for.
        name: what it is called in messages.

    Raises:
        PruneError: it cannot be read, or is UTF-16, SGML, XML or an archive.
    """
    try:
        reader = _decompressed(stream)
        start: bytes = reader.peek(1024)[:1024]
        for magic, kind in _ARCHIVES.items():
            if start.startswith(magic):
                raise PruneError(f"{name} is {kind}, not text; give the text itself, or compressed as {_KNOWN}")
        # Of UTF-16 without a mark every other byte is zero, as far as the text is in Latin script.
        if start.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) or start.count(0) > len(start) // 4:
            raise PruneError(f"{name} is UTF-16 or binary, not UTF-8; convert it, for example with iconv -f UTF-16")
        if start.startswith(BOM_UTF8):
            reader.read(len(BOM_UTF8))
        if _MARKUP.match(start.removeprefix(BOM_UTF8)):
            raise PruneError(f"{name} is SGML or XML, not plain text; extract its sentences, one a line")
        yield from iter(reader.readline, b"")
    except _DAMAGED as error:
        reason = getattr(error, "strerror", None) or error
        raise PruneError(f"{name} cannot be read: {reason}") from None


def read_text(path: Path) -> bytes:
    """The whole of a file; see :func:`text_lines`."""
    try:
        with path.open("rb") as file:
            return b"".join(text_lines(file, str(path)))
    except OSError as error:
        raise PruneError(f"{path} cannot be read: {error.strerror}") from None


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed, whatever it is called."""
    with path.open("rb") as file:
        return file.read(_LONGEST_MAGIC).startswith(tuple(_OPENERS))


class _Zstandard(io.RawIOBase):
    """Frames one behind the other; zstandard's own reader takes a file that is cut off for a whole one."""

    def __init__(self, source: Any) -> None:
        self._source, self._data, self._ready = source, b"", b""
        self._frame: Any = None
        self._decompressor: Any = zstandard.ZstdDecompressor()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            self._data = self._data or self._source.read1(1 << 16)
            if not self._data:
                if self._frame is not None:
                    raise EOFError("it ends inside a Zstandard frame")
                return 0
            self._frame = self._frame or self._decompressor.decompressobj()
            self._ready = self._frame.decompress(self._data)
            self._data = b""
            if self._frame.eof:
                self._data, self._frame = self._frame.unused_data, None
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size


_ZSTANDARD = (zstandard.FRAME_HEADER, *(bytes((0x50 + number,)) + b"\x2a\x4d\x18" for number in range(16)))
"""What a file of Zstandard begins with: a frame, or one to be skipped, as pzstd writes it."""

_OPENERS: dict[bytes, Any] = {
    b"\x1f\x8b\x08": lambda source: gzip.GzipFile(fileobj=source),
    b"\xfd7zXZ\x00": lzma.LZMAFile,
    **dict.fromkeys(_ZSTANDARD, lambda source: io.BufferedReader(_Zstandard(source))),
    **{b"BZh%d1AY&SY" % level: bz2.BZ2File for level in range(1, 10)},
}
_LONGEST_MAGIC = max(map(len, _OPENERS))


def _decompressed(stream: BinaryIO) -> Any:
    reader: Any = stream if hasattr(stream, "peek") else io.BufferedReader(stream)
    start = reader.peek(_LONGEST_MAGIC)
    return next((opener(reader) for magic, opener in _OPENERS.items() if start.startswith(magic)), reader)
