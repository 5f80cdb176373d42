"""In which form, or two, the compiled engine holds a weight."""

from typing import Literal, cast, get_args

import numpy as np

from nmt_prune.errors import PruneError
from nmt_prune.runtime import _engine
from nmt_prune.runtime.break_even import TOKENS, Dense, Values, break_even
from nmt_prune.storage.model.stored_tensor import Csr

Formats = Literal["auto", "sparse", "dense", "dense-int8"]
"""``auto``: what is fastest by ``nmt_prune.runtime.break_even``; int8 only where the stored values are."""

LIMITS = (4, 16)
"""Most tokens for which the first and the second of the numbers that are measured speak."""


def check_formats(formats: str) -> None:
    """Refuses an unknown form.

    Raises:
        PruneError: it is none of ``Formats``.
    """
    if formats not in get_args(Formats):
        raise PruneError(f"--formats {formats}: choose from {', '.join(get_args(Formats))}")


def choose(formats: str, density: float, values: Values) -> tuple[str, int, str]:
    """The form of one weight up to a number of tokens, that number, and the form for more.

    Args:
        formats: what the user wants.
        density: share of the weights that are kept.
        values: type in which they are stored.
    """
    if formats != "auto":
        return formats, LIMITS[0], formats
    dense: Dense = "dense-int8" if values == "int8" else "dense"
    few, more, many = ("sparse" if density < break_even(values, dense, tokens) else dense for tokens in TOKENS)
    return few, LIMITS[0] if more == many else LIMITS[1], many


def matrix(weight: Csr, columns: int, formats: str) -> _engine.Matrix:
    """Builds a weight of the compiled engine.

    Args:
        weight: its rows.
        columns: number of inputs.
        formats: what the user wants.
    """
    density = len(weight.values) / ((len(weight.starts) - 1) * columns)
    values = cast(Values, weight.values.dtype.name)
    few, limit, many = choose(formats, density, values)
    if few == many:
        return _matrix(weight, columns, few)
    return _engine.Matrix.by_tokens(_matrix(weight, columns, few), limit, _matrix(weight, columns, many))


def _matrix(weight: Csr, columns: int, form: str) -> _engine.Matrix:
    if form == "sparse":
        shape = (len(weight.starts) - 1, columns)
        return _engine.Matrix.sparse(weight.starts, weight.columns, weight.values, weight.scales, shape)
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
