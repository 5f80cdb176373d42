"""Floating-point numbers without loss: their sizes' leading bits are symbols, the rest is noise.

Weights lie within a few powers of two, and what a magnitude mask keeps lies unevenly within these. So the exponent and
the leading bits of the fraction, as many as still make one byte, become one symbol, coded by its frequency (within 1 %
of the entropy of normal weights); sign and remaining bits, evenly distributed, are packed as they are. Zeros at the end
of all fractions, as in bfloat16, are left out.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nmt_prune.storage.coding.records import count
from nmt_prune.storage.coding.streams import DamagedError, StreamReader, StreamWriter
from nmt_prune.storage.coding.values import bits

ESCAPE = 0
"""Symbol of a value outside of the window, whose size is written in full."""

LARGEST_SYMBOL = 255
_RARE = 1 / 256  # so many escapes cost less than a symbol with a bit less
_SAMPLE = 100_000


class _Float(NamedTuple):
    bits: int
    fraction: int

    @property
    def unsigned(self) -> str:
        return f"<u{self.bits // 8}"


_FLOATS = {"float32": _Float(32, 23), "float16": _Float(16, 10)}


def encode(values: npt.NDArray[Any], writer: StreamWriter) -> dict[str, Any]:
    """Writes numbers.

    Streams of symbols, escaped sizes, signs and remainders. A number's size s is what is left of its bits without the
    sign, divided by 2^``trailing``. Its symbol is (s >> ``shift``) - ``base`` + 1 if that is in [1, 255], its remainder
    s mod 2^``shift``.
    """
    kind = _FLOATS[values.dtype.name]
    numbers: npt.NDArray[Any] = np.ascontiguousarray(values).view(kind.unsigned)
    trailing = _trailing_zeros(numbers, kind)
    sizes: npt.NDArray[Any] = (numbers & _all_ones(kind.bits - 1)) >> trailing
    base, shift = _window(sizes, kind.fraction - trailing)
    symbols: npt.NDArray[np.int32] = (sizes >> shift).astype(np.int32) - (base - 1)
    outside = (symbols < 1) | (symbols > LARGEST_SYMBOL)
    escaped = sizes[outside]
    symbols[outside] = ESCAPE
    writer.put(symbols.astype(np.uint8))
    writer.put(escaped)
    bits.encode(numbers >> (kind.bits - 1), 1, writer)
    bits.encode(sizes, shift, writer)
    return {"trailing": trailing, "shift": shift, "base": base, "escapes": escaped.size}


def decode(record: Mapping[str, Any], kept: int, reader: StreamReader) -> npt.NDArray[Any]:
    """See :func:`encode`.

    Raises:
        DamagedError: the record or the symbols are impossible.
    """
    name = str(record["type"])
    kind = _FLOATS[name]
    trailing = count(record, "trailing", kind.fraction)
    shift = count(record, "shift", kind.fraction - trailing)
    width = kind.bits - 1 - trailing
    base = count(record, "base", 2 ** (width - shift) - 1)
    symbols = reader.array("u1", kept)
    escaped = reader.array(kind.unsigned, count(record, "escapes", kept))
    signs = bits.decode(kind.unsigned, 1, kept, reader)
    remainders = bits.decode(kind.unsigned, shift, kept, reader)
    outside = symbols == ESCAPE
    if np.count_nonzero(outside) != escaped.size or (escaped >> width).any():
        raise DamagedError("escapes that do not fit")
    if kept and base + max(int(symbols.max()) - 1, 0) > _all_ones(width - shift):
        raise DamagedError("values outside of their type")
    sizes = symbols.astype(kind.unsigned)
    sizes += np.array(base - 1 if base else _all_ones(kind.bits), kind.unsigned)
    sizes <<= shift
    sizes |= remainders
    sizes[outside] = escaped
    sizes <<= trailing
    signs <<= kind.bits - 1
    return (sizes | signs).view(f"<f{kind.bits // 8}")


def _trailing_zeros(numbers: npt.NDArray[Any], kind: _Float) -> int:
    """Zeros at the end of every fraction."""
    used = int(np.bitwise_or.reduce(numbers)) & _all_ones(kind.fraction)
    return kind.fraction if not used else (used & -used).bit_length() - 1


def _window(sizes: npt.NDArray[Any], fraction: int) -> tuple[int, int]:
    """The smallest symbol and the bits below it: as many leading bits as leave nearly every value in the window."""
    sample = sizes[:: 1 + sizes.size // _SAMPLE]  # what the window misses is escaped, so any window will do
    exponents = np.bincount(sample >> fraction, minlength=1)
    below = np.concatenate([[0], np.cumsum(exponents)])
    for leading in range(min(7, fraction), -1, -1):
        octaves = LARGEST_SYMBOL >> leading
        covered = below[np.minimum(np.arange(exponents.size) + octaves, exponents.size)] - below[:-1]
        first = int(covered.argmax())
        if leading == 0 or covered[first] >= sample.size * (1 - _RARE):
            break
    return first << leading, fraction - leading


def _all_ones(count: int) -> int:
    return (1 << count) - 1
