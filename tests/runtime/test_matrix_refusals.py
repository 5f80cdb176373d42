"""Arrays that make no matrix are refused by name."""

from typing import Any

import numpy as np
import pytest

engine = pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine is not built")

GOOD: dict[str, Any] = {
    "starts": np.array([0, 2, 3]),
    "columns": np.array([0, 2, 1], dtype=np.uint32),
    "values": np.ones(3, dtype=np.int8),
    "scales": np.ones(2, dtype=np.float32),
    "shape": (2, 3),
}
BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "starts, descending": ("starts", {"starts": np.array([0, 4, 3])}),
    "starts, too many": ("starts", {"starts": np.array([0, 2, 9])}),
    "starts, negative": ("starts", {"starts": np.array([0, -(2**62), 3])}),
    "starts, not from 0": ("starts", {"starts": np.array([1, 2, 3])}),
    "starts, too few": ("starts", {"starts": np.array([0, 3])}),
    "starts, type": ("starts", {"starts": np.array([0, 2, 3], dtype=np.int32)}),
    "starts, short": ("starts", {"starts": np.array([0, 1, 2])}),
    "columns, out of range": ("columns", {"columns": np.array([0, 3, 1], dtype=np.uint32)}),
    "columns, huge": ("columns", {"columns": np.array([0, 2**32 - 1, 1], dtype=np.uint32)}),
    "columns, descending": ("columns", {"columns": np.array([2, 0, 1], dtype=np.uint32)}),
    "columns, twice": ("columns", {"columns": np.array([2, 2, 1], dtype=np.uint32)}),
    "columns, type": ("columns", {"columns": np.array([0, 2, 1])}),
    "columns, stride": ("columns", {"columns": np.array([0, 9, 2, 9, 1, 9], dtype=np.uint32)[::2]}),
    "values, type": ("values", {"values": np.ones(3)}),
    "values, count": ("values", {"values": np.ones(4, dtype=np.int8)}),
    "values, dimensions": ("values", {"values": np.ones((3, 1), dtype=np.int8)}),
    "scales, not a number": ("scales", {"scales": np.array([1, np.nan], dtype=np.float32)}),
    "scales, infinite": ("scales", {"scales": np.array([np.inf, 1], dtype=np.float32)}),
    "scales, missing": ("scales", {"scales": None}),
    "scales, count": ("scales", {"scales": np.ones(3, dtype=np.float32)}),
    "scales, of floats": ("scales", {"values": np.ones(3, dtype=np.float32)}),
    "shape, negative": ("shape", {"shape": (2, -3)}),
    "shape, empty": ("shape", {"shape": (0, 3)}),
    "shape, huge": ("shape", {"shape": (2, 2**31)}),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arrays_are_refused_by_name(case: str) -> None:
    engine.Matrix.sparse(**GOOD)
    name, change = BAD[case]
    with pytest.raises(ValueError, match=f"^{name}: "):
        engine.Matrix.sparse(**{**GOOD, **change})
    with pytest.raises(ValueError, match=r"^values: must be int8" if case == "scales, of floats" else f"^{name}: "):
        engine.Matrix.blocks(**{**GOOD, **change})


def test_blocks_have_an_index_for_so_many_columns() -> None:
    few = {**GOOD, "columns": np.array([0, 2, 2**18 - 1], dtype=np.uint32)}
    assert engine.Matrix.blocks(**{**few, "shape": (2, 2**18)}).row(1)[-1] == 1
    with pytest.raises(ValueError, match="too many columns for blocks"):
        engine.Matrix.blocks(**{**few, "shape": (2, 2**18 + 1)})


def test_bad_dense_arrays_are_refused_by_name() -> None:
    floats = np.ones((2, 3), dtype=np.float32)
    with pytest.raises(ValueError, match=r"^array: "):
        engine.Matrix.dense(floats.astype(np.float64))
    with pytest.raises(ValueError, match=r"^array: "):
        engine.Matrix.dense(floats[0])
    with pytest.raises(ValueError, match=r"^array: "):
        engine.Matrix.dense(floats.T)
    with pytest.raises(ValueError, match=r"^values: "):
        engine.Matrix.dense_int8(np.ones((2, 3), dtype=np.int8))
    with pytest.raises(ValueError, match=r"^values: "):
        engine.Matrix.dense_int8(floats * np.float32("nan"))
    matrix = engine.Matrix.dense(floats)
    with pytest.raises(ValueError, match=r"^x: "):
        matrix.multiply(np.ones((1, 4), dtype=np.float32))
    with pytest.raises(ValueError, match=r"^bias: "):
        matrix.multiply(floats, np.ones(3, dtype=np.float32))
