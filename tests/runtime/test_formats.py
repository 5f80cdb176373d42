"""Which form a weight takes in the compiled engine."""

import numpy as np
import pytest

pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine is not built")
from nmt_prune.errors import PruneError
from nmt_prune.runtime import formats
from nmt_prune.storage.model.stored_tensor import Csr

# Seconds of a dense product, and per share of what is kept, by number of tokens.
TIMES = {
    "float32": {"dense": (1.0, 1.0, 1.0), "sparse": (1 / 0.6, 1 / 0.6, 1 / 0.4)},
    "int8": {
        "dense-int8": (1.0, 1.0, 1.0),
        "sparse": (1 / 0.3, 1 / 0.1, 1 / 0.05),
        "blocks": (1 / 0.8, 1 / 0.8, 1 / 0.7),
    },
    "always": {"dense": (1.0, 1.0, 1.0), "sparse": (0.1, 0.1, 0.1)},
}


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def product_time(form: str, share: float, values: str, tokens: int) -> float:
        return share * TIMES[values][form][formats.TOKENS.index(tokens)]

    monkeypatch.setattr(formats, "product_time", product_time)


@pytest.mark.parametrize(
    ("density", "blocks", "values", "expected"),
    [
        (0.3, 0.3, "float32", ("sparse", 4, "sparse")),
        (0.5, 0.5, "float32", ("sparse", 16, "dense")),
        (0.7, 0.7, "float32", ("dense", 4, "dense")),
        (0.08, 1.0, "int8", ("sparse", 16, "dense-int8")),
        (0.2, 1.0, "int8", ("sparse", 4, "dense-int8")),
        (0.4, 1.0, "int8", ("dense-int8", 4, "dense-int8")),
        (0.2, 0.2, "int8", ("blocks", 4, "blocks")),
        (0.1, 0.5, "int8", ("sparse", 4, "blocks")),
        (0.01, 0.3, "int8", ("sparse", 4, "sparse")),
        (0.7, 0.75, "int8", ("blocks", 16, "dense-int8")),
        (0.2, 0.75, "int8", ("sparse", 4, "dense-int8")),
        (0.95, 0.95, "always", ("dense", 4, "dense")),
    ],
)
def test_the_fastest_for_few_tokens_and_for_many(
    density: float, blocks: float, values: formats.Values, expected: tuple[str, int, str]
) -> None:
    assert formats.choose("auto", {"sparse": density, "blocks": blocks}, values) == expected


def test_a_wish_is_a_wish() -> None:
    few, _, many = formats.choose("sparse", {}, "float32")
    assert (few, many) == ("sparse", "sparse")


def test_a_weight_that_pays_for_few_tokens_only_is_held_twice() -> None:
    weight = np.array([[0, 2, 0, 1], [3, 0, 0, 4]], dtype=np.float32)
    rows = Csr(np.array([0, 2, 4]), np.nonzero(weight)[1].astype(np.uint32), weight[weight != 0], None)
    matrix = formats.matrix(rows, 4, "auto")
    assert matrix.format == "sparse float32 up to 16 tokens, then dense float32"
    for tokens in (1, 16, 17):
        np.testing.assert_array_equal(matrix.multiply(np.ones((tokens, 4), dtype=np.float32))[-1], [3, 7])


def test_a_weight_of_few_blocks_is_held_in_blocks() -> None:
    values = np.zeros((20, 10), np.int8)
    values[8:16, 4:8] = values[16:, 8:] = 3
    rows = Csr(
        np.concatenate([[0], np.cumsum((values != 0).sum(1))]),
        np.nonzero(values)[1].astype(np.uint32),
        values[values != 0],
        np.full(20, 0.5, np.float32),
    )
    matrix = formats.matrix(rows, 10, "auto")  # 2 of 9 blocks, where 40 of 200 weights would be dense for many tokens
    assert matrix.format == "blocks int8"
    np.testing.assert_array_equal(matrix.multiply(np.eye(10, dtype=np.float32)), values.T * 0.5)


def test_blocks_are_of_int8() -> None:
    rows = Csr(np.array([0, 1]), np.zeros(1, np.uint32), np.ones(1, np.float16), None)
    with pytest.raises(PruneError, match="--formats blocks: these are of int8 values, not of float16; give int8"):
        formats.matrix(rows, 4, "blocks")
