"""Models from files."""

import subprocess
import sys

import numpy as np
import pytest

from nmt_prune.errors import PruneError
from nmt_prune.runtime.loading import load_model
from nmt_prune.storage.format.compact_file import save_compact
from tests.runtime.models import random_model

NAME = "encoder.layers.0.fc1.weight"


@pytest.fixture
def path(tmp_path):
    save_compact(random_model(density=0.5), tmp_path / "model.nmt")
    return tmp_path / "model.nmt"


def test_a_compact_file_as_it_is(path):
    model, expected = load_model(path), random_model(density=0.5)
    assert (model.architecture, model.source, dict(model.aliases)) == (
        expected.architecture,
        expected.source,
        expected.aliases,
    )
    for name, weight in expected.weights.items():
        np.testing.assert_array_equal(model.weights[name].dense(), weight.dense())


@pytest.mark.parametrize(("values", "error"), [("float16", 1e-3), ("int8", 2e-2)])
def test_weights_are_converted(path, values, error):
    exact, rounded = (load_model(path, values=name).weights[NAME] for name in (None, values))
    assert rounded.csr().values.dtype == np.dtype(values)
    assert 0 < np.abs(rounded.dense() - exact.dense()).max() < error
    assert rounded.kept == exact.kept


def test_what_is_refused(path, tmp_path):
    with pytest.raises(PruneError, match=r"--data .* is only for checkpoints; .*model.nmt holds its own dictionaries"):
        load_model(path, data=tmp_path)
    with pytest.raises(PruneError, match="--values float8: choose from"):
        load_model(path, values="float8")


@pytest.mark.parametrize("engine", ["echo", "compiled"])
def test_a_compact_file_is_run_without_torch(path, engine):
    if engine == "compiled":
        pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine was not built")
    install = "from tests.runtime.echo import install; install(); " if engine == "echo" else ""
    program = (
        "import sys; from nmt_prune.runtime.translator import Translator; "
        f"list(Translator({str(path)!r}, 'compiled').translate_lines(['w1 w2'])); "
        "print(sorted({'torch', 'fairseq', 'omegaconf'} & sys.modules.keys()))"
    )
    process = subprocess.run([sys.executable, "-c", install + program], capture_output=True, text=True)
    assert process.stdout == "[]\n", process.stderr
