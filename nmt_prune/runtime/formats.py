"""In which form the compiled engine holds a weight."""

from typing import Literal, get_args

import numpy as np

from nmt_prune.errors import PruneError
from nmt_prune.runtime import _engine
from nmt_prune.storage.encoded import Csr

Formats = Literal["auto", "sparse", "dense", "dense-int8"]
"""``auto``: sparse where few enough weights are left, dense elsewhere, int8 where the stored values are."""

_SPARSE_BELOW = 0.4
"""Density from which on a dense product is faster than one that skips zeros."""


def check_formats(formats: str) -> None:
    """Refuses an unknown form.

    Raises:
        PruneError: it is none of ``Formats``.
    """
    if formats not in get_args(Formats):
        raise PruneError(f"--formats {formats}: choose from {', '.join(get_args(Formats))}")


def choose(formats: str, density: float, is_int8: bool) -> str:
    """The form of one weight.

    Args:
        formats: what the user wants.
        density: share of the weights that are kept.
        is_int8: whether they are stored in int8.
    """
    if formats != "auto":
        return formats
    if density < _SPARSE_BELOW:
        return "sparse"
    return "dense-int8" if is_int8 else "dense"


def matrix(weight: Csr, columns: int, formats: str) -> _engine.Matrix:
    """Builds a weight of the compiled engine.

    Args:
        weight: its rows.
        columns: number of inputs.
        formats: what the user wants.
    """
    rows = len(weight.starts) - 1
    form = choose(formats, len(weight.values) / (rows * columns), weight.scales is not None)
    if form == "sparse":
        return _engine.Matrix.sparse(weight.starts, weight.columns, weight.values, weight.scales, (rows, columns))
    if form == "dense-int8" and weight.scales is not None:
        return _engine.Matrix.dense_int8(_dense(weight, columns), weight.scales)
    values = _dense(weight, columns).astype(np.float32, copy=False)
    if weight.scales is not None:
        values *= weight.scales[:, np.newaxis]
    return _engine.Matrix.dense_int8(values) if form == "dense-int8" else _engine.Matrix.dense(values)


def _dense(weight: Csr, columns: int) -> np.ndarray:
    rows = len(weight.starts) - 1
    array = np.zeros((rows, columns), weight.values.dtype)
    array[np.repeat(np.arange(rows), np.diff(weight.starts)), weight.columns] = weight.values
    return array
