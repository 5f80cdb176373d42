"""In which form, or two, the compiled engine holds a weight."""

from collections.abc import Iterable, Mapping
from typing import Literal, cast, get_args

import numpy as np

from nmt_prune.errors import PruneError
from nmt_prune.runtime import _engine
from nmt_prune.runtime.product_times import BLOCK, TOKENS, Form, Values, product_time, sparse_forms
from nmt_prune.storage.model.stored_tensor import Csr

Formats = Literal["auto", Form]
"""``auto``: what is fastest by ``nmt_prune.runtime.product_times``; int8 only where the stored values are."""

LIMITS = (4, 16)
"""Most tokens for which the first and the second of the numbers that are measured speak."""

MOST_KEPT = 0.9
"""Share of weights or blocks up to which forms without the others are considered: a dense weight is held once."""


def check_formats(formats: str) -> None:
    """Refuses an unknown form.

    Raises:
        PruneError: it is none of ``Formats``.
    """
    if formats not in get_args(Formats):
        raise PruneError(f"--formats {formats}: choose from {', '.join(get_args(Formats))}")


def choose(formats: str, shares: Mapping[Form, float], values: Values) -> tuple[str, int, str]:
    """The form of one weight up to a number of tokens, that number, and the form for more.

    Args:
        formats: what the user wants.
        shares: of the weights that are kept, and of the blocks.
        values: type in which they are stored.
    """
    if formats != "auto":
        return formats, LIMITS[0], formats
    dense: Form = "dense-int8" if values == "int8" else "dense"
    forms = (*(form for form in sparse_forms(values) if shares[form] <= MOST_KEPT), dense)

    def fastest(tokens: int, among: Iterable[Form]) -> Form:
        return min(among, key=lambda form: product_time(form, shares.get(form, 1.0), values, tokens))

    one, more, most = TOKENS
    few, many = fastest(one, forms), fastest(most, forms)
    return few, LIMITS[0] if fastest(more, (many, few)) == many else LIMITS[1], many


def matrix(weight: Csr, columns: int, formats: str) -> _engine.Matrix:
    """Builds a weight of the compiled engine.

    Args:
        weight: its rows.
        columns: number of inputs.
        formats: what the user wants.
    """
    values = cast(Values, weight.values.dtype.name)
    shares = _shares(weight, columns, values) if formats == "auto" else {}
    few, limit, many = choose(formats, shares, values)
    if few == many:
        return _matrix(weight, columns, few)
    return _engine.Matrix.by_tokens(_matrix(weight, columns, few), limit, _matrix(weight, columns, many))


def _matrix(weight: Csr, columns: int, form: str) -> _engine.Matrix:
    shape = (len(weight.starts) - 1, columns)
    if form == "sparse":
        return _engine.Matrix.sparse(weight.starts, weight.columns, weight.values, weight.scales, shape)
    if form == "blocks":
        if weight.scales is None:
            raise PruneError(f"--formats blocks: these are of int8 values, not of {weight.values.dtype}; give int8")
        return _engine.Matrix.blocks(weight.starts, weight.columns, weight.values, weight.scales, shape)
    if form == "dense-int8" and weight.scales is not None:
        return _engine.Matrix.dense_int8(_dense(weight, columns), weight.scales)
    values = _dense(weight, columns).astype(np.float32, copy=False)
    if weight.scales is not None:
        values *= weight.scales[:, np.newaxis]
    return _engine.Matrix.dense_int8(values) if form == "dense-int8" else _engine.Matrix.dense(values)


def _shares(weight: Csr, columns: int, values: Values) -> Mapping[Form, float]:
    rows = len(weight.starts) - 1
    shares: dict[Form, float] = {"sparse": len(weight.values) / (rows * columns)}
    if "blocks" in sparse_forms(values):
        has_block = np.zeros((-(-rows // BLOCK[0]), -(-columns // BLOCK[1])), np.bool_)
        has_block[_row_of_each(weight) // BLOCK[0], weight.columns // BLOCK[1]] = True
        shares["blocks"] = float(has_block.mean())
    return shares


def _dense(weight: Csr, columns: int) -> np.ndarray:
    array = np.zeros((len(weight.starts) - 1, columns), weight.values.dtype)
    array[_row_of_each(weight), weight.columns] = weight.values
    return array


def _row_of_each(weight: Csr) -> np.ndarray:
    return np.repeat(np.arange(len(weight.starts) - 1), np.diff(weight.starts))
