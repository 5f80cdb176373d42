"""Which engine runs a model."""

import sys
import warnings
from dataclasses import replace

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.runtime.engines import make_engine
from nmt_prune.runtime.torch_engine.engine import TorchEngine
from nmt_prune.storage.model.kept_values import KeptValues
from tests.runtime.echo import EchoEngine, install
from tests.runtime.models import random_model


@pytest.fixture
def _compiled(monkeypatch):
    monkeypatch.setitem(sys.modules, "nmt_prune.runtime.compiled", None)
    install()


@pytest.fixture
def _not_compiled(monkeypatch):
    monkeypatch.setitem(sys.modules, "nmt_prune.runtime.compiled", None)


@pytest.mark.usefixtures("_compiled")
@pytest.mark.parametrize(("kind", "engine"), [("auto", EchoEngine), ("compiled", EchoEngine), ("torch", TorchEngine)])
def test_the_compiled_engine_comes_first(kind, engine):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(make_engine(random_model(), kind), engine)


@pytest.mark.usefixtures("_not_compiled")
def test_torch_takes_its_place_with_a_warning():
    with pytest.warns(RuntimeWarning, match="translating with torch, which is slower; install a C") as caught:
        assert isinstance(make_engine(random_model()), TorchEngine)
    assert len(caught) == 1


@pytest.mark.usefixtures("_not_compiled")
def test_not_if_the_compiled_one_was_asked_for():
    with pytest.raises(PruneError, match=r"compiled engine was not built .*; install a C"):
        make_engine(random_model(), "compiled")


@pytest.mark.usefixtures("_not_compiled")
def test_nor_where_torch_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(PruneError, match=r"compiled engine was not built .*; install a C"):
        make_engine(random_model())


def test_an_unknown_engine():
    with pytest.raises(PruneError, match="engine gpu is unknown; choose auto, compiled or torch"):
        make_engine(random_model(), "gpu")


@pytest.mark.parametrize("engine", ["torch", "compiled"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("key", ["encoder.layers.0.fc1.weight", "decoder.layers.0.fc2.bias"])
def test_weights_that_are_not_finite(engine, value, key):
    if engine == "compiled":
        pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine is not built")
    model = random_model()
    array = model.weights[key].dense().copy()
    array.flat[0] = value
    broken = replace(model, weights={**model.weights, key: KeptValues.of(array)})
    with pytest.raises(PruneError, match=r"has weights that are not finite \(nan or inf\)"):
        make_engine(broken, engine)
