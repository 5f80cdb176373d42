"""Weights in every form of matrix, each with the weights that it holds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

engine = pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine is not built")
Floats = np.ndarray[Any, np.dtype[np.float32]]

SHAPES = [(1, 1), (7, 5), (33, 70), (256, 64), (300, 1500), (520, 130)]
# Instruction sets without one for products of bytes: inputs of int8 products are rounded to seven bits.
SEVEN_BITS = ("avx512", "avx2")


def uneven(shape: tuple[int, int]) -> Floats:
    """Rows of all densities: one full, some empty, if there are so many."""
    random = np.random.default_rng(0)
    weight = random.standard_normal(shape, dtype=np.float32)
    weight *= random.random(shape) < random.random((shape[0], 1)) ** 2
    weight[0] = random.standard_normal(shape[1])
    weight[shape[0] // 2 : shape[0] // 2 + shape[0] // 9 + 1] *= shape[0] == 1
    return weight


def blocks(shape: tuple[int, int], rows: int = 4, columns: int = 1) -> Floats:
    """So many consecutive rows share so many consecutive columns."""
    values = np.random.default_rng(1).standard_normal(shape, dtype=np.float32)
    whole = uneven((-(-shape[0] // rows), -(-shape[1] // columns))) != 0
    return values * whole.repeat(rows, axis=0)[: shape[0]].repeat(columns, axis=1)[:, : shape[1]]


def rows_of(weight: np.ndarray[Any, Any], mask: np.ndarray[Any, Any] | None = None) -> tuple[np.ndarray[Any, Any], ...]:
    mask = weight != 0 if mask is None else mask
    starts = np.concatenate([[0], np.cumsum(mask.sum(1))]).astype(np.int64)
    return starts, np.nonzero(mask)[1].astype(np.uint32), weight[mask]


def rounded(weight: Floats) -> tuple[np.ndarray[Any, np.dtype[np.int8]], Floats]:
    largest = np.abs(weight).max(1, keepdims=True)
    scales = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return np.rint(weight / scales).astype(np.int8), scales[:, 0]


def sparse_float32(weight: Floats) -> tuple[Any, Floats]:
    return engine.Matrix.sparse(*rows_of(weight), None, weight.shape), weight


def sparse_float16(weight: Floats) -> tuple[Any, Floats]:
    starts, columns, values = rows_of(weight)
    matrix = engine.Matrix.sparse(starts, columns, values.astype(np.float16), None, weight.shape)
    return matrix, weight.astype(np.float16).astype(np.float32)


def sparse_int8(weight: Floats) -> tuple[Any, Floats]:
    values, scales = rounded(weight)
    matrix = engine.Matrix.sparse(*rows_of(values, weight != 0), scales, weight.shape)
    return matrix, values * scales[:, None]


def blocks_int8(weight: Floats) -> tuple[Any, Floats]:
    values, scales = rounded(weight)
    matrix = engine.Matrix.blocks(*rows_of(values, weight != 0), scales, weight.shape)
    return matrix, values * scales[:, None]


def dense_int8(weight: Floats) -> tuple[Any, Floats]:
    values, scales = rounded(weight)
    return engine.Matrix.dense_int8(values, scales), values * scales[:, None]


def dense(weight: Floats) -> tuple[Any, Floats]:
    return engine.Matrix.dense(weight), weight


FORMS: dict[str, Callable[[Floats], tuple[Any, Floats]]] = {
    "sparse float32": sparse_float32,
    "sparse float16": sparse_float16,
    "sparse int8": sparse_int8,
    "blocks int8": blocks_int8,
    "dense float32": dense,
}


def half_steps(x: Floats) -> Floats:
    """What an input of each token is off by at most, rounded."""
    return np.abs(x).max(1, keepdims=True) / (64 if engine.instruction_set() in SEVEN_BITS else 127) / 2
