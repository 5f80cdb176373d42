"""A tensor in memory, as its kept values and where they stand."""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt_prune.storage.encoded import Csr


@dataclass(frozen=True)
class Plain:
    """Kept values of a tensor in row-major order, and a mask that says where they stand.

    Attributes:
        shape: shape of the tensor.
        mask: (elements,), bool; None where every element is kept.
        values: (kept,), float32, float16 or int8.
        scales: (rows,), float32: factor of each row of int8 values; None otherwise.
    """

    shape: tuple[int, ...]
    mask: npt.NDArray[np.bool_] | None
    values: npt.NDArray[Any]
    scales: npt.NDArray[np.float32] | None = None

    @classmethod
    def of(cls, array: npt.NDArray[Any], mask: npt.NDArray[np.bool_] | None = None) -> "Plain":
        """Takes the values of an array that a mask keeps, bit for bit.

        Args:
            array: float32 or float16.
            mask: of its shape; None: every element is kept that is not +0.0.
        """
        bits = np.ascontiguousarray(array).reshape(-1)
        kept = mask.reshape(-1) if mask is not None else bits.view(f"u{bits.itemsize}") != 0
        if kept.all():
            return cls(array.shape, None, bits)
        return cls(array.shape, kept, bits[kept])

    @property
    def kept(self) -> int:
        """Number of kept values."""
        return self.values.size

    def dense(self) -> npt.NDArray[np.float32]:
        """The tensor, float32."""
        values = self.values.astype(np.float32, copy=False)
        if self.scales is not None:
            values = values * np.repeat(self.scales, self.row_counts)
        return self.spread(values)

    def spread(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Puts other values in the places of the kept ones, zeros elsewhere."""
        if self.mask is None:
            return values.reshape(self.shape)
        array = np.zeros(prod(self.shape), values.dtype)
        array[self.mask] = values
        return array.reshape(self.shape)

    @cached_property
    def row_counts(self) -> npt.NDArray[np.int64]:
        """Kept values of each row."""
        rows = self.shape[0]
        if self.mask is None:
            return np.full(rows, prod(self.shape[1:]), np.int64)
        return np.count_nonzero(self.mask.reshape(rows, -1), axis=1).astype(np.int64)

    def csr(self) -> Csr:
        """A matrix's rows, values in the type in which they are stored."""
        rows, width = self.shape
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.row_counts)])
        if self.mask is None:
            columns = np.tile(np.arange(width, dtype=np.uint32), rows)
        else:
            columns = (np.flatnonzero(self.mask) % max(width, 1)).astype(np.uint32)
        return Csr(starts, columns, self.values, self.scales)
