"""Bytes of matrices, counted by hand or by others."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from nmt_prune.profiling.matrix_sizes import FORMATS, VECTORS, matrix_sizes, total_bytes
from nmt_prune.storage.format.compact_file import load_compact, save_compact
from nmt_prune.storage.model.kept_values import KeptValues
from tests.runtime.models import random_model


@pytest.fixture(scope="module")
def model():
    """Large enough for 10 % of a row to be several elements."""
    model = random_model(words=300, density=0.1)
    chance = np.random.default_rng(1)
    mask = chance.random((24, 16)) < 0.5
    dense = KeptValues.of(chance.standard_normal((16, 24)).astype(np.float32))
    half = KeptValues.of(np.where(mask, chance.standard_normal((24, 16)), 0).astype(np.float32))
    weights = {"encoder.layers.0.fc1.weight": half, "encoder.layers.0.fc2.weight": dense}
    return replace(model, weights={**model.weights, **weights})


def by_name(model):
    return {row.name: row for row in matrix_sizes(model)}


def test_dense_and_sparse_formats(model, tmp_path):
    rows = by_name(model)
    row, weight = rows["encoder.embed_tokens.weight"], model.weights["encoder.embed_tokens.weight"].dense()
    assert (row.shape, row.kept) == ((304, 16), np.count_nonzero(weight))
    assert row.density == pytest.approx(0.1, abs=0.01)
    expected = {"float32": 304 * 16 * 4, "float16": 304 * 16 * 2, "int8": 304 * 16 + 304 * 4}
    csc = sparse.csc_matrix(weight)
    expected["CSC"] = csc.data.nbytes + csc.indices.astype(np.int32).nbytes + csc.indptr.astype(np.int32).nbytes
    assert {name: row.size[name] for name in expected} == expected
    sparse.save_npz(tmp_path / "m.npz", csc)
    assert row.size["deflated CSC"] == pytest.approx((tmp_path / "m.npz").stat().st_size, rel=0.02)


def test_what_is_stored_is_the_smallest_form(model):
    rows = by_name(model)
    for row in rows.values():
        forms = [row.size[name] for name in ("bitmask", "gaps") if name in row.size]
        assert not forms or row.size["stored"] == min(forms)
    half = rows["encoder.layers.0.fc1.weight"].size
    assert half["stored"] <= half["bitmask"] <= 24 * 16 // 8 + 4 * rows["encoder.layers.0.fc1.weight"].kept
    dense = rows["encoder.layers.0.fc2.weight"]
    assert (dense.density, "bitmask" in dense.size) == (1.0, False)
    assert dense.size["stored"] <= dense.size["float32"]


def test_the_sum_is_that_of_the_file(model, tmp_path):
    save_compact(model, tmp_path / "model.nmt")
    rows = matrix_sizes(load_compact(tmp_path / "model.nmt"))
    assert rows == matrix_sizes(model)
    total = total_bytes(rows)
    assert tuple(total) == FORMATS
    header = len(repr(model.source)) + len(repr(model.target))
    assert total["stored"] < (tmp_path / "model.nmt").stat().st_size < total["stored"] + 3 * header + 20_000
    elements = sum(int(np.prod(weight.shape)) for weight in model.weights.values())
    assert total["float32"] == 4 * elements
    vectors = next(row for row in rows if row.name == VECTORS)
    assert total["float16"] - vectors.size["float32"] == 2 * (elements - vectors.shape[0])
    assert total["stored"] <= total["bitmask"]
