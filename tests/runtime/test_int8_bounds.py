"""The largest bytes: sums of products in 16 and 32 bits hold whatever weights and inputs there are."""

import numpy as np
import pytest

from tests.runtime.matrix_forms import engine, rows_of


@pytest.mark.parametrize("sign", [1, -1])
def test_largest_bytes_do_not_saturate(instruction_set: str, sign: int) -> None:
    weight = np.full((64, 512), 127, dtype=np.int8)
    weight[1::2] = -128
    x = np.full((9, 512), sign, dtype=np.float32)
    ones = np.ones(64, dtype=np.float32)
    for matrix in (engine.Matrix.dense_int8(weight, ones), engine.Matrix.blocks(*rows_of(weight), ones, weight.shape)):
        np.testing.assert_allclose(matrix.multiply(x), x @ weight.T.astype(np.float32), rtol=1e-6)


@pytest.mark.parametrize("sums", [(128, 127), (128, 128), (127, 130)], ids=str)
def test_groups_whose_products_have_17_bits_are_not_added_in_16(instruction_set: str, sums: tuple[int, int]) -> None:
    """Two neighbouring weights of a group of four columns have this sum: 255 in two groups fit, 256 do not."""
    weight = np.zeros((64, 512), dtype=np.int8)
    for first, total in zip((0, 4), sums, strict=True):
        for column in range(4):
            weight[:, first + column :: 8] = total // 2 + column % 2 * (total % 2)
    x = np.ones((9, 512), dtype=np.float32)  # the largest input of a token is 128, when what is added to it is 64
    ones = np.ones(64, dtype=np.float32)
    for matrix in (engine.Matrix.dense_int8(weight, ones), engine.Matrix.blocks(*rows_of(weight), ones, weight.shape)):
        for tokens in (3, 4, 9):
            np.testing.assert_allclose(matrix.multiply(x[:tokens]), x[:tokens] @ weight.T.astype(np.float32), rtol=1e-6)


def test_inputs_that_agree_with_a_row_do_not_overflow(instruction_set: str) -> None:
    """With the largest inputs where a row is above zero and the smallest where it is below, its products reach far."""
    random = np.random.default_rng(6)
    weight = random.integers(-127, 128, (64, 512)).astype(np.int8)
    x = np.sign(weight).astype(np.float32)
    ones = np.ones(64, dtype=np.float32)
    for matrix in (engine.Matrix.dense_int8(weight, ones), engine.Matrix.blocks(*rows_of(weight), ones, weight.shape)):
        for signed in (x, -x):
            np.testing.assert_allclose(matrix.multiply(signed), signed @ weight.T.astype(np.float32), atol=1e-2)


@pytest.mark.parametrize("tokens", [4, 40])
@pytest.mark.parametrize("sign", [3, -3])
@pytest.mark.parametrize("value", [127, -128])
def test_largest_sparse_bytes_do_not_overflow(instruction_set: str, value: int, sign: int, tokens: int) -> None:
    weight = np.full((8, 700), value, dtype=np.int8)
    x = np.full((tokens, 700), sign, dtype=np.float32)
    product = engine.Matrix.sparse(*rows_of(weight), np.ones(8, dtype=np.float32), weight.shape).multiply(x)
    np.testing.assert_allclose(product, x @ weight.T.astype(np.float32), rtol=1e-5)
