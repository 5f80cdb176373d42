"""What the compiled engine refuses, and what it says."""

import math
from dataclasses import replace

import numpy as np
import pytest

from nmt_prune.errors import PruneError
from nmt_prune.runtime.settings.search_options import SearchOptions
from nmt_prune.storage.model.kept_values import KeptValues
from nmt_prune.text.dictionaries import EOS, PAD
from tests.runtime.models import ENCODER, random_model

pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine is not built")
from nmt_prune.runtime.compiled import CompiledEngine


def test_weights_that_are_not_numbers():
    compact = random_model()
    compact.weights["encoder.layers.0.fc2.bias"].values[3] = math.nan
    with pytest.raises(PruneError, match=r"fc2.bias has weights that are not finite"):
        CompiledEngine(compact).search([[5, EOS]], SearchOptions())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder.layers.1.fc1.weight": np.ones((24, 15))}, "encoder.layers.1.fc1.weight has 15 columns, not 16"),
        ({"decoder.layers.0.fc2.weight": np.ones((15, 24))}, "decoder.layers.0.fc2.weight has 15 rows, not 16"),
        ({"decoder.layers.0.fc2.bias": np.ones(3)}, "decoder.layers.0.fc2.bias has 3 elements, not 16"),
        ({"encoder.layers.1.fc1.weight": None}, "no matrix encoder.layers.1.fc1.weight"),
        ({"decoder.layers.1.final_layer_norm.bias": None}, "no vector decoder.layers.1.final_layer_norm.bias"),
        ({"encoder.extra.bias": np.ones(3)}, "no place for the vector encoder.extra.bias"),
        ({"encoder.extra.weight": np.ones((3, 3))}, "no place for the matrix encoder.extra.weight"),
    ],
)
def test_weights_that_do_not_fit_the_architecture(change, message):
    compact = random_model()
    weights = {
        **compact.weights,
        **{key: a if a is None else KeptValues.of(np.float32(a)) for key, a in change.items()},
    }
    weights = {key: weight for key, weight in weights.items() if weight is not None}
    with pytest.raises(PruneError, match=message):
        CompiledEngine(replace(compact, weights=weights))


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ({"activation": "tanh"}, "encoder.activation is tanh"),
        ({"positions": "rotary"}, "encoder.positions is rotary"),
        ({"ffn": (24,)}, "encoder.heads and encoder.ffn differ in length"),
        ({"head_dim": 0}, "encoder.head_dim is 0"),
        ({"heads": (4, -1)}, "encoder.heads has -1"),
        ({"max_positions": 0}, "encoder.max_positions is below 1"),
        ({"dim": "16"}, "encoder.dim is of the wrong type"),
    ],
)
def test_architectures_that_cannot_be(encoder, message):
    compact = random_model()
    architecture = replace(compact.architecture, encoder=replace(ENCODER, **encoder))
    with pytest.raises(PruneError, match=message):
        CompiledEngine(replace(compact, architecture=architecture))


@pytest.mark.parametrize(
    ("source", "options", "prefixes", "message"),
    [
        ([44, EOS], {}, None, "source 0 has the token 44"),
        ([-1, EOS], {}, None, "source 0 has the token -1"),
        ([5, PAD, EOS], {}, None, "source 0 has the token 1"),
        ([], {}, None, "source 0 has 0 tokens; the model takes 1 to 1024"),
        ([5] * 1025, {}, None, "source 0 has 1025 tokens; the model takes 1 to 1024"),
        ([EOS], {}, [[99]], "prefix 0 has the token 99"),
        ([EOS], {}, [[], []], "2 prefixes of 1 sources"),
        ([EOS], {"beam": 0}, None, "beam is 0"),
        ([EOS], {"beam": 44}, None, "beam is 44"),
        ([EOS], {"nbest": 6}, None, "nbest is 6"),
        ([EOS], {"temperature": 0.0}, None, "temperature"),
        ([EOS], {"lenpen": math.nan}, None, "not a number"),
        ([EOS], {"min_len": 9, "max_len_b": 8}, None, "min_len 9 is above max_len 8"),
    ],
)
def test_searches_that_cannot_be(source, options, prefixes, message):
    engine = CompiledEngine(random_model())
    with pytest.raises(PruneError, match=message):
        engine.search([source], replace(SearchOptions(), **options), prefixes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"formats": "csr"}, "--formats csr: choose from auto, sparse, blocks, dense, dense-int8"),
        ({"values": "float64"}, "--values float64: choose from"),
        ({"threads": 0}, "--threads 0: give 1 or more"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(PruneError, match=message):
        CompiledEngine(random_model(), **settings)
