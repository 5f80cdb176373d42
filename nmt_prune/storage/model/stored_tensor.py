"""A tensor in the form in which it is stored."""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt


class Csr(NamedTuple):
    """Compressed sparse rows of a matrix of shape (outputs, inputs).

    Attributes:
        starts: (outputs + 1,), int64: where each row begins; rows may be empty.
        columns: (kept,), uint32, ascending within a row.
        values: (kept,), float32, float16 or int8.
        scales: (outputs,), float32: factor of each row of int8 values; None otherwise.
    """

    starts: npt.NDArray[np.int64]
    columns: npt.NDArray[np.uint32]
    values: npt.NDArray[np.generic]
    scales: npt.NDArray[np.float32] | None


class StoredTensor(Protocol):
    """A stored tensor; decoded when asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        ...

    @property
    def kept(self) -> int:
        """Number of its elements that are not zero by its mask."""
        ...

    def dense(self) -> npt.NDArray[np.float32]:
        """The tensor, float32."""
        ...

    def csr(self) -> Csr:
        """A matrix's rows, values in the type in which they are stored."""
        ...
