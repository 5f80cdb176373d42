"""A tensor in memory, as its kept values and where they stand."""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt_prune.storage.model.stored_tensor import Csr


@dataclass(frozen=True)
class KeptValues:
    """Kept values of a tensor in row-major order, and a mask that says where they stand.

    Attributes:
        shape: shape of the tensor.
        mask: (elements,), bool; None where every element is kept.
        values: (kept,), float32, float16 or int8.
        scales: (rows,), float32: factor of each row of int8 values; None otherwise.
        negative_zeros: (kept,), bool: which zeros among int8 values are -0.0; None: none of them.
    """

    shape: tuple[int, ...]
    mask: npt.NDArray[np.bool_] | None
    values: npt.NDArray[Any]
    scales: npt.NDArray[np.float32] | None = None
    negative_zeros: npt.NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, array: npt.NDArray[Any], mask: npt.NDArray[np.bool_] | None = None) -> "KeptValues":
        """Takes the values of an array that a mask keeps, bit for bit; what it does not keep becomes +0.0.

        Args:
            array: float32 or float16.
            mask: of its shape; None: every element is kept that is not zero.
        """
        flat = np.ascontiguousarray(array).reshape(-1)
        kept = mask.reshape(-1) if mask is not None else flat != 0
        if kept.all():
            return cls(array.shape, None, flat)
        return cls(array.shape, kept, flat[kept])

    @property
    def kept(self) -> int:
        """Number of kept values."""
        return self.values.size

    def dense(self) -> npt.NDArray[np.float32]:
        """The tensor, float32."""
        return self.spread(self.kept_values())

    def kept_values(self) -> npt.NDArray[np.float32]:
        """The kept values in float32, multiplied by their scales."""
        values = self.values.astype(np.float32, copy=False)
        if self.scales is not None:
            with np.errstate(over="ignore", invalid="ignore"):  # nobody checked the scales
                values = values * np.repeat(self.scales, self.row_counts)
        if self.negative_zeros is not None:
            values[self.negative_zeros] = -0.0
        return values

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

    def row_maxima(self) -> npt.NDArray[np.float32]:
        """The largest size of a kept value in each row; 0 where a row has none."""
        counts = self.row_counts
        starts, filled = np.cumsum(counts) - counts, counts > 0
        largest = np.zeros(self.shape[0], np.float32)
        # reduceat would give an empty row the first value of the next.
        if filled.any():
            largest[filled] = np.maximum.reduceat(np.abs(self.values), starts[filled])
        return largest

    def csr(self) -> Csr:
        """A matrix's rows, values in the type in which they are stored."""
        rows, width = self.shape
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.row_counts)])
        if self.mask is None:
            columns = np.tile(np.arange(width, dtype=np.uint32), rows)
        else:
            columns = (np.flatnonzero(self.mask) % max(width, 1)).astype(np.uint32)
        return Csr(starts, columns, self.values, self.scales)
