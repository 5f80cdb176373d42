"""Values in fewer bits: found without loss, or asked for."""

import numpy as np
import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.pruning.quantization.grid import TernaryGrid, UniformGrid
from nmt_prune.storage.model.grids import narrowed
from nmt_prune.storage.model.kept_values import KeptValues
from nmt_prune.storage.model.precision import check_values, converted
from tests.storage.models import assert_same_bits


def weight(seed=1, shape=(40, 50), keep=0.4):
    random = np.random.default_rng(seed)
    return np.where(random.random(shape) < keep, random.standard_normal(shape), 0).astype(np.float32)


@pytest.mark.parametrize("bits", [4, 8])
def test_a_uniform_grid_with_its_scales(bits):
    array = weight()
    array[7] = 0
    grid = UniformGrid(bits)
    scale = grid.scale(torch.from_numpy(array)) * 0.9  # running means saturate
    quantized = grid.quantized(torch.from_numpy(array), scale).numpy()
    assert (np.signbit(quantized) & (quantized == 0)).any()  # -0.0, from small negative weights
    tensor = narrowed(KeptValues.of(quantized, array != 0), scale.numpy())
    assert tensor.values.dtype == np.int8
    assert np.abs(tensor.values.astype(int)).max() == 2 ** (bits - 1)
    assert_same_bits(tensor.dense(), quantized)


@pytest.mark.parametrize("per", ["row", "tensor"])
def test_a_ternary_grid_is_found_without_its_scales(per):
    array = weight()
    grid = TernaryGrid(0.05, per, 1.0)
    quantized = grid.quantized(torch.from_numpy(array), grid.scale(torch.from_numpy(array))).numpy()
    tensor = narrowed(KeptValues.of(quantized, array != 0))
    assert set(np.unique(tensor.values)) <= {-1, 0, 1}
    assert_same_bits(tensor.dense(), quantized)


@pytest.mark.parametrize("shape", [(6, 1), (6, 40)])
def test_weights_alone_in_their_rows_are_no_grid(shape):
    """A feed-forward sublayer of one unit, or what hard pruning leaves: float32 is computed with as such."""
    array = np.zeros(shape, np.float32)
    array[np.arange(6), np.arange(6) % shape[1]] = np.random.default_rng(1).standard_normal(6)
    assert narrowed(KeptValues.of(array)).values.dtype == np.float32


def test_scales_that_do_not_fit_change_nothing():
    array = weight()
    for scales in (np.full(1, 0.01, np.float32), np.zeros(1, np.float32), np.full((40, 1), np.inf, np.float32)):
        tensor = narrowed(KeptValues.of(array), scales)
        assert tensor.values.dtype == np.float32
        assert_same_bits(tensor.dense(), array)


def test_half_precision_is_found():
    array = weight().astype(np.float16).astype(np.float32)
    tensor = narrowed(KeptValues.of(array))
    assert tensor.values.dtype == np.float16
    assert_same_bits(tensor.dense(), array)
    almost = array.copy()
    almost[-1, -1] = 0.1
    assert narrowed(KeptValues.of(almost)).values.dtype == np.float32
    assert narrowed(KeptValues.of(np.full(9, 1e6, np.float32))).values.dtype == np.float32


def test_nothing_kept():
    tensor = narrowed(KeptValues.of(np.zeros((3, 4), np.float32)))
    assert tensor.kept == 0
    for values in ("float16", "int8"):
        assert_same_bits(converted("w", tensor, values).dense(), np.zeros((3, 4), np.float32))


def test_rounding():
    array = weight()
    tensor = KeptValues.of(array)
    as_torch = torch.from_numpy(array)
    assert_same_bits(converted("w", tensor, "float16").dense(), as_torch.half().float().numpy())
    assert_same_bits(converted("w", tensor, "bfloat16").dense(), as_torch.bfloat16().float().numpy())
    assert converted("w", tensor, "float32") is tensor


def test_int8_errs_by_half_a_step_at_most():
    array = weight()
    array[3] *= 1e-3
    array[4] = 0
    found = converted("w", KeptValues.of(array), "int8")
    steps = np.abs(array).max(axis=1, keepdims=True) / 127
    assert (np.abs(found.dense() - array) <= 0.505 * steps).all()  # a scale in bfloat16 is up to 0.8 % larger
    assert (np.abs(found.values.astype(int)) <= 127).all()
    assert found.kept == (array != 0).sum()


def test_auto_is_half_where_that_is_exact_enough():
    assert converted("w", KeptValues.of(weight()), "auto").values.dtype == np.float16
    for factor in (1e6, 1e-6):
        assert converted("w", KeptValues.of(weight() * np.float32(factor)), "auto").values.dtype == np.float32


def test_vectors_stay():
    vector = KeptValues.of(weight(shape=(50,), keep=1))
    assert all(converted("b", vector, values) is vector for values in ("float16", "bfloat16", "int8", "auto"))


def test_what_does_not_fit_is_refused():
    with pytest.raises(PruneError, match=r"^w has the weight 1e\+06, too large for float16; use --values bfloat16"):
        converted("w", KeptValues.of(np.full((2, 2), 1e6, np.float32)), "float16")
    for values in ("float16", "bfloat16", "int8", "auto"):
        with pytest.raises(PruneError, match="infinite values or NaN"):
            converted("w", KeptValues.of(np.array([[1, np.nan]], np.float32)), values)
    with pytest.raises(PruneError, match="--values int4: choose from float32, float16, bfloat16, int8, auto"):
        check_values("int4")
