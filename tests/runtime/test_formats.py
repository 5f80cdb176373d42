"""Which form a weight takes in the compiled engine."""

import numpy as np
import pytest

pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine is not built")
from nmt_prune.runtime import formats
from nmt_prune.storage.model.stored_tensor import Csr

PAYS = {
    **{("float32", "dense", 1): 0.6, ("float32", "dense", 5): 0.6, ("float32", "dense", 64): 0.4},
    **{("int8", "dense-int8", 1): 0.3, ("int8", "dense-int8", 5): 0.1},
}


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "break_even", lambda values, dense, tokens: PAYS.get((values, dense, tokens), 0.05))


@pytest.mark.parametrize(
    ("density", "values", "expected"),
    [
        (0.3, "float32", ("sparse", 4, "sparse")),
        (0.5, "float32", ("sparse", 16, "dense")),
        (0.7, "float32", ("dense", 4, "dense")),
        (0.08, "int8", ("sparse", 16, "dense-int8")),
        (0.2, "int8", ("sparse", 4, "dense-int8")),
        (0.4, "int8", ("dense-int8", 4, "dense-int8")),
    ],
)
def test_the_faster_one_for_few_tokens_and_for_many(density: float, values: formats.Values, expected: tuple) -> None:
    assert formats.choose("auto", density, values) == expected


def test_a_wish_is_a_wish() -> None:
    few, _, many = formats.choose("sparse", 1.0, "float32")
    assert (few, many) == ("sparse", "sparse")


def test_a_weight_that_pays_for_few_tokens_only_is_held_twice() -> None:
    weight = np.array([[0, 2, 0, 1], [3, 0, 0, 4]], dtype=np.float32)
    rows = Csr(np.array([0, 2, 4]), np.nonzero(weight)[1].astype(np.uint32), weight[weight != 0], None)
    matrix = formats.matrix(rows, 4, "auto")
    assert matrix.format == "sparse float32 up to 16 tokens, then dense float32"
    for tokens in (1, 16, 17):
        np.testing.assert_array_equal(matrix.multiply(np.ones((tokens, 4), dtype=np.float32))[-1], [3, 7])
