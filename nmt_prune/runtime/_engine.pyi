"""The compiled engine; see src/bind_matrices.cpp and src/bind_model.cpp."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

class Matrix:
    @staticmethod
    def sparse(
        starts: npt.NDArray[np.int64],
        columns: npt.NDArray[np.uint32],
        values: npt.NDArray[Any],
        scales: npt.NDArray[np.float32] | None,
        shape: tuple[int, int],
    ) -> Matrix: ...
    @staticmethod
    def blocks(
        starts: npt.NDArray[np.int64],
        columns: npt.NDArray[np.uint32],
        values: npt.NDArray[Any],
        scales: npt.NDArray[np.float32],
        shape: tuple[int, int],
    ) -> Matrix: ...
    @staticmethod
    def dense(array: npt.NDArray[np.float32]) -> Matrix: ...
    @staticmethod
    def dense_int8(values: npt.NDArray[Any], scales: npt.NDArray[np.float32] | None = None) -> Matrix: ...
    @staticmethod
    def by_tokens(few: Matrix, limit: int, many: Matrix) -> Matrix: ...
    def multiply(
        self, x: npt.NDArray[np.float32], bias: npt.NDArray[np.float32] | None = None, relu: bool = False
    ) -> npt.NDArray[np.float32]: ...
    def select(self, rows: npt.NDArray[np.int32], tokens: int) -> Matrix: ...
    def row(self, index: int) -> npt.NDArray[np.float32]: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def format(self) -> str: ...
    @property
    def nbytes(self) -> int: ...
    def bytes_read(self, tokens: int) -> int: ...

def halves(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]: ...

class Model:
    def __init__(
        self,
        architecture: Mapping[str, Any],
        matrices: Mapping[str, Matrix],
        vectors: Mapping[str, npt.NDArray[np.float32]],
        pad: int,
        eos: int,
        unk: int,
        with_halves: bool,
    ) -> None: ...
    def search(
        self,
        sources: Sequence[Sequence[int]],
        options: Mapping[str, Any],
        prefixes: Sequence[Sequence[int]],
        threads: int,
        words: npt.NDArray[np.int32],
        draws: Sequence[Sequence[float]],
    ) -> list[list[tuple[list[int], float, list[float]]]]: ...
    def attention(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[Sequence[int]]]
    ) -> list[list[npt.NDArray[np.float32]]]: ...

def instruction_sets() -> list[str]: ...
def instruction_set() -> str: ...
def use(name: str) -> None: ...
