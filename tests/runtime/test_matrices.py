"""Every form of matrix, by every instruction set that this CPU has, against float64."""

from typing import Any

import numpy as np
import pytest

from tests.runtime.matrix_forms import (
    FORMS,
    SHAPES,
    Floats,
    blocks,
    dense_int8,
    engine,
    half_steps,
    rounded,
    rows_of,
    uneven,
)

# Most tokens whose inputs are rounded in sparse int8 products too, to be looked up.
LOOKED_UP = {"amx": 70, "avx512vbmi": 70, "avx512vnni": 4, "avx512": 4, "avxvnni": 4, "avx2": 4}
TOKENS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 24, 31, 33, 40, 64, 70)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_products_are_those_of_float64(instruction_set: str, form: str, shape: tuple[int, int]) -> None:
    matrix, weight = FORMS[form](uneven(shape))
    assert (matrix.format, matrix.shape) == (form, shape)
    compare(matrix, weight)


@pytest.mark.parametrize("form", [form for form in FORMS if form.startswith("sparse")])
def test_blocks_of_four_rows_share_their_columns(instruction_set: str, form: str) -> None:
    weight = blocks((520, 130))
    matrix, expected = FORMS[form](weight)
    compare(matrix, expected)
    if form == "sparse int8" and LOOKED_UP.get(instruction_set) == 70:
        return  # looks inputs up: each row has columns of its own
    apart = weight.copy()
    apart[0, np.flatnonzero(apart[0])[0]] = 0
    assert matrix.nbytes < FORMS[form](apart)[0].nbytes


def compare(matrix: Any, weight: Floats) -> None:
    random = np.random.default_rng(3)
    bias = random.standard_normal(weight.shape[0], dtype=np.float32)
    x = random.standard_normal((max(TOKENS), weight.shape[1]), dtype=np.float32)
    expected = x.astype(np.float64) @ weight.T.astype(np.float64)
    # Bound of a float32 sum of rounded products.
    error = 1e-6 * (np.abs(x) @ np.abs(weight).T + np.abs(bias) + 1e-3) * weight.shape[1] ** 0.5
    of_rounding = half_steps(x) * np.abs(weight).sum(1) * 1.001
    for tokens in TOKENS:
        first, products, bounds = x[:tokens], expected[:tokens], error[:tokens]
        looked_up = LOOKED_UP.get(engine.instruction_set(), 0) if matrix.format == "sparse int8" else 0
        if matrix.format == "blocks int8" or tokens <= looked_up:
            bounds = bounds + of_rounding[:tokens]
        assert (np.abs(matrix.multiply(first, bias) - (products + bias)) <= bounds).all()
        if tokens <= 17:  # what comes after the product does not depend on how many more there are
            assert (np.abs(matrix.multiply(first) - products) <= bounds).all()
            assert (np.abs(matrix.multiply(first, bias, True) - np.maximum(products + bias, 0)) <= bounds).all()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_dense_int8_errs_by_half_a_step_of_the_inputs(instruction_set: str, shape: tuple[int, int]) -> None:
    weight, random = uneven(shape), np.random.default_rng(3)
    values, scales = rounded(weight)
    stored, bias = values * scales[:, None], random.standard_normal(shape[0], dtype=np.float32)
    x = random.standard_normal((max(TOKENS), shape[1]), dtype=np.float32)
    bound = half_steps(x) * np.abs(stored).sum(1) * 1.001 + 1e-5 * (1 + np.abs(x) @ np.abs(stored).T)
    expected = np.maximum(x.astype(np.float64) @ stored.T + bias, 0)
    for matrix in (engine.Matrix.dense_int8(values, scales), engine.Matrix.dense_int8(weight)):
        assert matrix.format == "dense int8"
        for tokens in TOKENS:
            assert (np.abs(matrix.multiply(x[:tokens], bias, True) - expected[:tokens]) <= bound[:tokens]).all()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_blocks_are_multiplied_as_in_a_dense_product(instruction_set: str, shape: tuple[int, int]) -> None:
    random, weight = np.random.default_rng(3), blocks(shape, 8, 4)
    values, scales = rounded(weight)
    matrix, whole = engine.Matrix.blocks(*rows_of(values), scales, shape), engine.Matrix.dense_int8(values, scales)
    x, bias = (random.standard_normal(size, dtype=np.float32) for size in ((max(TOKENS), shape[1]), shape[0]))
    for tokens in TOKENS:
        np.testing.assert_array_equal(matrix.multiply(x[:tokens]), whole.multiply(x[:tokens]))
        np.testing.assert_array_equal(matrix.multiply(x[:tokens], bias, True), whole.multiply(x[:tokens], bias, True))
    count = sum(np.add.reduceat(np.add.reduceat(weight != 0, np.r_[: shape[0] : 8]), np.r_[: shape[1] : 4], 1).flat > 0)
    panels = -(-shape[0] // 8)
    assert matrix.nbytes == 34 * count + 4 * (panels + 1) + (2 + 8 * 8) * panels


@pytest.mark.parametrize("form", ["sparse int8", "blocks int8", "dense int8"])
def test_a_token_that_is_not_a_number_has_no_product(instruction_set: str, form: str) -> None:
    weight = uneven((40, 70))
    matrix = engine.Matrix.dense_int8(weight) if form == "dense int8" else FORMS[form](weight)[0]
    for tokens in (3, 9):
        x = np.ones((tokens, 70), dtype=np.float32)
        expected = matrix.multiply(x)
        x[1, 69] = np.nan
        product = matrix.multiply(x)
        assert np.isnan(product[1][weight[:, 69] != 0]).all()
        np.testing.assert_array_equal(np.delete(product, 1, 0), np.delete(expected, 1, 0))


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (130, 64), (40, 65), (300, 1500)], ids=str)
@pytest.mark.parametrize("form", [*FORMS, "dense int8"])
def test_every_instruction_set_multiplies_what_another_laid_out(
    instruction_set: str, form: str, shape: tuple[int, int]
) -> None:
    random, weight = np.random.default_rng(5), uneven(shape)
    x, bias = (random.standard_normal(size, dtype=np.float32) for size in ((19, shape[1]), shape[0]))
    for other in engine.instruction_sets():
        engine.use(other)
        matrix, stored = dense_int8(weight) if form == "dense int8" else FORMS[form](weight)
        engine.use(instruction_set)
        bound = 1e-4 * (1 + np.abs(x) @ np.abs(stored).T)
        if form.endswith("int8"):
            bound += half_steps(x) * np.abs(stored).sum(1)
        for tokens in (1, 4, 19):
            product = matrix.multiply(x[:tokens], bias, True)
            assert (np.abs(product - np.maximum(x[:tokens] @ stored.T + bias, 0)) <= bound[:tokens]).all()


def test_inputs_of_nothing_are_nothing(instruction_set: str) -> None:
    weight = uneven((40, 30))
    for matrix in (*(form(weight)[0] for form in FORMS.values()), engine.Matrix.dense_int8(weight)):
        for tokens in (2, 6):
            assert not matrix.multiply(np.zeros((tokens, 30), dtype=np.float32)).any()
        assert matrix.multiply(np.zeros((0, 30), dtype=np.float32)).shape == (0, 40)


def test_a_matrix_without_weights(instruction_set: str) -> None:
    nothing = np.zeros((40, 30), dtype=np.float32)
    for form in ("sparse float32", "sparse float16", "sparse int8", "blocks int8"):
        matrix, _ = FORMS[form](nothing)
        bias = np.arange(40, dtype=np.float32)
        for tokens in (2, 5):
            product = matrix.multiply(np.ones((tokens, 30), dtype=np.float32), bias)
            np.testing.assert_array_equal(product, np.tile(bias, (tokens, 1)))
        assert not matrix.row(39).any()


@pytest.mark.parametrize("form", FORMS)
def test_a_row_is_an_embedding(form: str) -> None:
    matrix, weight = FORMS[form](uneven((300, 1500)))
    for index in (0, 1, 150, 255, 256, 299):
        np.testing.assert_array_equal(matrix.row(index), weight[index])
    with pytest.raises(IndexError):
        matrix.row(300)
    with pytest.raises(IndexError):
        matrix.row(-1)


@pytest.mark.parametrize("form", [*FORMS, "dense int8"])
def test_some_rows_are_a_matrix_of_their_own(instruction_set: str, form: str) -> None:
    random = np.random.default_rng(5)
    for weight in (uneven((520, 130)), blocks((520, 130)), uneven((33, 1100))):
        matrix = engine.Matrix.dense_int8(weight) if form == "dense int8" else FORMS[form](weight)[0]
        x = random.standard_normal((40, weight.shape[1]), dtype=np.float32)
        for count in (1, 29, 33):
            rows = np.sort(random.choice(len(weight), count, replace=False)).astype(np.int32)
            for tokens in (2, 7, 40):
                some = matrix.select(rows, tokens)
                # Rows of several blocks share few of them.
                expected = "dense int8" if form == "blocks int8" else form
                assert (some.format, some.shape) == (expected, (count, weight.shape[1]))
                np.testing.assert_array_equal(some.row(count - 1), matrix.row(rows[-1]))
                np.testing.assert_array_equal(some.multiply(x[:tokens]), matrix.multiply(x[:tokens])[:, rows])
        with pytest.raises(ValueError, match=f"rows: there is no row {len(weight)}"):
            matrix.select(np.array([len(weight)], np.int32), 1)


def test_a_row_of_bytes() -> None:
    values, scales = rounded(uneven((40, 30)))
    np.testing.assert_array_equal(
        engine.Matrix.dense_int8(values, scales).row(39), values[39].astype(np.float32) * scales[39]
    )


def test_the_portable_instruction_set_is_always_there() -> None:
    assert engine.instruction_sets()[-1] == "portable"
    assert engine.instruction_set() == engine.instruction_sets()[0]
    with pytest.raises(ValueError, match="name: this CPU has no instruction set quantum"):
        engine.use("quantum")


def test_one_weight_in_two_forms() -> None:
    random = np.random.default_rng(4)
    weight = random.standard_normal((6, 9), dtype=np.float32)
    few, many = engine.Matrix.dense(weight), engine.Matrix.dense_int8(weight)
    both = engine.Matrix.by_tokens(few, 3, many)
    x = random.standard_normal((4, 9), dtype=np.float32)
    np.testing.assert_array_equal(both.multiply(x[:3]), few.multiply(x[:3]))
    np.testing.assert_array_equal(both.multiply(x), many.multiply(x))
    assert not np.array_equal(few.multiply(x), many.multiply(x))
    np.testing.assert_array_equal(both.row(5), weight[5])
    assert (both.shape, both.nbytes) == ((6, 9), few.nbytes + many.nbytes)
    assert (both.bytes_read(3), both.bytes_read(4)) == (few.nbytes, many.nbytes)
    some = both.select(np.array([1, 4], np.int32), 4)
    del few, many, both
    assert some.format == "dense float32 up to 3 tokens, then dense int8"
    np.testing.assert_allclose(some.multiply(x[:3]), x[:3] @ weight[[1, 4]].T, rtol=1e-5)
    assert some.multiply(x).shape == (4, 2)
    few = engine.Matrix.dense(weight)
    assert engine.Matrix.by_tokens(few, 3, few).select(np.array([1], np.int32), 3).format == "dense float32"
    with pytest.raises(ValueError, match="many: must have the shape of few"):
        engine.Matrix.by_tokens(few, 3, engine.Matrix.dense(weight[:5]))
