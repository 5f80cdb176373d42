"""Matrices of few levels, ternary or of 4 bits, in CTranslate2's int8.

CTranslate2 stretches every row to ±127. Where a CPU has no VNNI it adds two products of 8 bits in 16, which saturate
above 2 · 255 · 64: rarely with the bell of values that training gives, all the time with rows of nothing but ±127.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

MOST_LEVELS = 8
"""The largest code of 4 bits."""

_NEAR = 1e-4  # float32 has 7 digits, and the largest code has one
_SMALLEST = MOST_LEVELS / np.finfo(np.float32).max  # that levels can be divided by


def quantize(spec: Any, quantization: str) -> None:
    """Lets CTranslate2 quantize; rows on a grid of few levels keep their codes, which loses nothing.

    Args:
        spec: a ``ctranslate2.specs.ModelSpec`` that is validated.
        quantization: type of the weights, as CTranslate2 calls it.
    """
    before = [(part, part.weight.numpy().copy()) for part in _matrices(spec)]  # it quantizes in place
    spec.optimize(quantization=quantization)
    if not quantization.startswith("int8"):
        return
    for part, weight in before:
        if isinstance(part.weight, str):  # the name of the one that it is tied to
            continue
        levels, largest = levels_of_rows(weight), np.abs(weight).max(axis=1)
        few = np.flatnonzero(levels)
        scale = levels[few] / largest[few]
        part.weight_scale.numpy()[few] = scale
        part.weight.numpy()[few] = np.rint(weight[few] * scale[:, None])


def levels_of_rows(weight: Array) -> Array:
    """The largest code of each row whose weights are whole numbers up to ``MOST_LEVELS`` times a scale; else 0.

    Args:
        weight: (rows, columns).
    """
    largest = np.abs(weight).max(axis=1, keepdims=True)
    found = np.zeros(len(weight), np.float32)
    for levels in range(MOST_LEVELS, 0, -1):
        rows = np.flatnonzero(largest >= _SMALLEST)
        codes = weight[rows] * (levels / largest[rows])
        found[rows[(np.abs(codes - np.rint(codes)) < _NEAR).all(axis=1)]] = levels
    return found


def _matrices(spec: Any) -> Iterator[Any]:
    from ctranslate2.specs.model_spec import LayerSpec

    if hasattr(spec, "weight_scale"):
        yield spec
    for value in vars(spec).values():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, LayerSpec):
                yield from _matrices(part)
