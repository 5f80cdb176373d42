"""Which matrices are timed, how often, and what is said without the kernels."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from nmt_prune.errors import PruneError
from nmt_prune.profiling import kernel_times as times
from nmt_prune.profiling.kernel_times import KERNELS, TOKENS, matrix_times, multiplied
from tests.runtime.models import random_model

ENGINE = "nmt_prune.runtime._engine"


def matrices(model) -> set[str]:
    return {name for name, weight in model.weights.items() if len(weight.shape) == 2}


@pytest.mark.parametrize(
    ("tying", "looked_up"),
    [
        ("all", set()),
        ("decoder", {"encoder.embed_tokens.weight"}),
        ("none", {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}),
    ],
)
def test_embeddings_are_only_multiplied_as_output_projection(tying, looked_up):
    model = random_model(tying=tying)
    assert matrices(model) - set(multiplied(model)) == looked_up


class Clocked:
    """A matrix that takes as many nanoseconds as it has been told, more the first time."""

    now, cost = 0, {"float32": 9000, "int8": 5000, "sparse": 2000, "blocks": 1000}

    def __init__(self, kernel, array):
        self.kernel, self.shape, self.products = kernel, array.shape, 0

    def multiply(self, x):
        assert (x.dtype, x.shape[1]) == (np.float32, self.shape[1])
        self.products += 1
        Clocked.now += Clocked.cost[self.kernel] * len(x) * (100 if self.products == 1 else 1)


def test_medians_without_the_first_round(monkeypatch):
    model, made = random_model(density=0.3), []

    def build(kernel):
        def matrix(*arguments):
            array = np.empty(arguments[-1]) if kernel in ("sparse", "blocks") else arguments[0]
            made.append(Clocked(kernel, array))
            return made[-1]

        return matrix

    matrix = SimpleNamespace(
        dense=build("float32"), dense_int8=build("int8"), sparse=build("sparse"), blocks=build("blocks")
    )
    monkeypatch.setitem(sys.modules, ENGINE, SimpleNamespace(Matrix=matrix))
    monkeypatch.setattr(times.time, "thread_time_ns", lambda: Clocked.now)
    found = matrix_times(model, rounds=3)
    assert found.keys() == matrices(model)
    expected = {tokens: {name: Clocked.cost[name] * tokens / 1e3 for name in KERNELS} for tokens in TOKENS}
    assert all(row == expected for row in found.values())
    assert {one.products for one in made} == {4 * len(TOKENS)}
    assert len(made) == len(KERNELS) * len(matrices(model))


def test_the_compiled_kernels_run():
    pytest.importorskip(ENGINE, reason="the compiled engine was not built")
    found = matrix_times(random_model(density=0.3), rounds=1)
    assert all(value >= 0 for row in found.values() for by_kernel in row.values() for value in by_kernel.values())


def test_without_kernels_it_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, ENGINE, None)
    with pytest.raises(PruneError, match=r"the compiled engine was not built .*--rounds 0 to leave times out"):
        matrix_times(random_model(), rounds=1)
