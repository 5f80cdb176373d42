"""The compiled engine finds what fairseq finds, with every kernel, alone or in a batch."""

import math
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import pytest
import torch
from fairseq.ngram_repeat_block import NGramRepeatBlock
from fairseq.sequence_generator import SequenceGenerator

from nmt_prune.dictionaries import EOS, PAD, UNK
from nmt_prune.errors import PruneError
from nmt_prune.runtime.search_options import Hypothesis, SearchOptions
from nmt_prune.runtime.torch_engine import TorchEngine
from nmt_prune.storage.plain import Plain
from nmt_prune.storage.precision import converted
from tests.runtime.models import DECODER, ENCODER, fairseq_model, random_model
from tests.runtime.test_torch_engine import ARCHITECTURES, OPTIONS, PRE, SHORT, as_tuple, fairseq_search, sentences

_engine = pytest.importorskip("nmt_prune.runtime._engine", reason="the engine is not built")
from nmt_prune.runtime.compiled import CompiledEngine  # noqa: E402

INSTRUCTION_SETS = _engine.instruction_sets()


@pytest.fixture(params=INSTRUCTION_SETS)
def instruction_set(request):
    _engine.use(request.param)
    yield request.param
    _engine.use(INSTRUCTION_SETS[0])


def assert_equal(found: list[list[Hypothesis]], expected: list[list[Hypothesis]], tolerance: float = 1e-4) -> None:
    assert [[h.tokens for h in beam] for beam in found] == [[h.tokens for h in beam] for beam in expected]
    for mine, theirs in zip(chain(*found), chain(*expected), strict=True):
        assert mine.score == pytest.approx(theirs.score, abs=tolerance)
        assert mine.token_scores == pytest.approx(theirs.token_scores, abs=tolerance)


def assert_same(compact: Any, sources: Any, options: SearchOptions, prefixes: Any = None, **settings: Any) -> Any:
    found = CompiledEngine(compact, **settings).search(sources, options, prefixes)
    assert_equal(found, fairseq_search(compact, sources, options, prefixes))
    return found


WIDE = {
    "several vectors per head": (
        replace(ENCODER, dim=160, head_dim=40, heads=(4, 2), ffn=(100, 33), embedding_scale=160**0.5),
        replace(DECODER, dim=160, head_dim=80, heads=(2, 1), cross_heads=(1, 2), ffn=(64, 7), embedding_scale=160**0.5),
    ),
}


@pytest.mark.parametrize("formats", ["sparse", "dense"])
@pytest.mark.parametrize("name", [*ARCHITECTURES, *WIDE])
def test_same_hypotheses_for_every_architecture(name, formats):
    encoder, decoder = {**ARCHITECTURES, **WIDE}[name]
    compact = random_model(encoder, decoder, tying="none" if encoder.dim != decoder.dim else "all")
    options = replace(SHORT, nbest=5, min_len=5)
    found = assert_same(compact, sentences(compact), options, formats=formats)
    assert len({tuple(hypothesis.tokens) for beam in found for hypothesis in beam}) > 5


def test_swish():
    # fairseq constructs its module where it should call it, so that no Transformer of its own runs.
    compact = random_model(*(replace(stack, activation="swish") for stack in PRE))
    expected = TorchEngine(compact).search(sentences(compact), SHORT)
    assert_equal(CompiledEngine(compact).search(sentences(compact), SHORT), expected)


@pytest.mark.parametrize("name", OPTIONS)
def test_same_hypotheses_for_every_option(name):
    compact = random_model(*PRE, words=12 if "dictionary" in name else 40, seed=3)
    assert_same(compact, sentences(compact), OPTIONS[name])


@pytest.mark.parametrize("density", [0.02, 0.1, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("tying", ["all", "decoder", "none"])
def test_same_hypotheses_for_every_tying_and_sparsity(tying, density):
    compact = random_model(tying=tying, words=30, target_words=None if tying == "all" else 45, density=density)
    assert_same(compact, sentences(compact), SHORT)


@pytest.mark.parametrize("beam", range(1, 9))
def test_same_hypotheses_for_every_beam(beam, instruction_set):
    compact = random_model(*PRE, seed=4)
    assert_same(compact, sentences(compact), replace(SHORT, beam=beam, nbest=beam))


def test_same_hypotheses_with_a_large_dictionary(instruction_set):
    compact = random_model(*PRE, words=3000, density=0.4)
    assert_same(compact, sentences(compact), replace(SHORT, beam=6, nbest=6, unkpen=1.5, temperature=1.2))


@pytest.mark.parametrize("length", [0, 1, 2, 14, 15, 16, 17, 30, 31, 32, 33, 63, 64, 100, 249])
def test_same_hypotheses_for_every_source_length(length):
    compact = random_model(*PRE, density=0.5)
    assert_same(compact, sentences(compact, [length]), replace(SHORT, nbest=5))


def test_long_translations():
    compact = random_model(*PRE)
    assert_same(compact, sentences(compact, [250]), SearchOptions(beam=3, max_len_b=250, min_len=240))


def test_unknown_words():
    compact = random_model(*PRE, seed=3)
    found = assert_same(compact, [[UNK, 8, UNK, EOS], [UNK, EOS]], replace(SHORT, unkpen=-6.0, nbest=5))
    assert any(UNK in hypothesis.tokens for beam in found for hypothesis in beam)


def test_prefixes():
    compact = random_model(*PRE, seed=3)
    prefixes = [[7, 9], [5], [], [6, UNK, 6, 8, 11], [4, 3]]
    found = assert_same(compact, sentences(compact), replace(SHORT, nbest=3, unkpen=0.5), prefixes)
    for beam, prefix in zip(found, prefixes, strict=True):
        assert all(hypothesis.tokens[: len(prefix)] == prefix for hypothesis in beam)


@pytest.mark.parametrize("prefix", [[7, 9, EOS], [7, 9, 8, 10, 11, 12]])
def test_a_prefix_may_end_or_exceed_the_translation(prefix):
    compact = random_model(*PRE, seed=3)
    assert_same(compact, sentences(compact, [4]), replace(SHORT, nbest=5, max_len_b=4), [prefix])


@pytest.mark.parametrize("size", [2, 3, 4])
def test_no_ngram_twice(size, monkeypatch):
    # fairseq hands the whole padded buffer to the blocker, which then looks for an n-gram of padding.
    whole = NGramRepeatBlock._no_repeat_ngram

    def corrected(self, tokens, lprobs, bsz, beam_size, step):
        return whole(self, tokens[:, : step + 1], lprobs, bsz, beam_size, step)

    monkeypatch.setattr(NGramRepeatBlock, "_no_repeat_ngram", corrected)
    compact, options = random_model(), replace(SHORT, no_repeat_ngram_size=size, nbest=5)
    found = assert_same(compact, sentences(compact), options)
    free = CompiledEngine(compact).search(sentences(compact), replace(options, no_repeat_ngram_size=0))
    assert found != free


@pytest.mark.parametrize("prefix", [[], [5, 6, 5, 6, 5]])
@pytest.mark.parametrize("size", [1, 2])
def test_repetitions_are_blocked_as_in_the_torch_engine(size, prefix):
    compact, options = random_model(), replace(SHORT, no_repeat_ngram_size=size, nbest=5)
    found, expected = (
        engine(compact).search([[7, EOS]], options, [prefix]) for engine in (CompiledEngine, TorchEngine)
    )
    assert_equal(found, expected)


def test_a_batch_of_one_length_in_fairseq():
    compact, options = random_model(*PRE, seed=5), replace(SHORT, nbest=5)
    sources = sentences(compact, [6] * 7)
    model, dictionary = fairseq_model(compact)
    generator = SequenceGenerator([model], dictionary, beam_size=5, max_len_b=options.max_len_b)
    batch = {"src_tokens": torch.tensor(sources), "src_lengths": torch.full((7,), 7)}
    expected = [
        [as_tuple(hypothesis) for hypothesis in beam] for beam in generator.generate([model], {"net_input": batch})
    ]
    assert_equal(CompiledEngine(compact).search(sources, options), expected)


@pytest.mark.parametrize("threads", [1, 2, 3, 50])
def test_a_sentence_does_not_depend_on_its_batch(threads):
    compact = random_model(*PRE, seed=3, density=0.5)
    options, lengths = replace(SHORT, max_len_a=1.0, max_len_b=3, nbest=5), [1, 3, 9, 17, 2, 40, 0, 5, 9]
    sources = sentences(compact, lengths)
    prefixes = [[7, 9], [5], [], [6, 6, 6, 8], [4, 3], [], [], [11], []]
    alone = CompiledEngine(compact)
    expected = [alone.search([source], options, [prefix])[0] for source, prefix in zip(sources, prefixes, strict=True)]
    assert_equal(CompiledEngine(compact, threads=threads).search(sources, options, prefixes), expected, 1e-5)


def test_a_batch_larger_than_what_is_encoded_at_once():
    compact = random_model(*PRE, seed=3)
    sources = sentences(compact, [150] * 15)
    engine, options = CompiledEngine(compact), replace(SHORT, max_len_b=8)
    assert_equal(engine.search(sources, options), [engine.search([source], options)[0] for source in sources], 1e-5)


def test_one_engine_in_several_threads():
    compact = random_model(*PRE, seed=3)
    engine, batches = CompiledEngine(compact, threads=2), [sentences(compact, [n, n + 4, 2]) for n in range(1, 13)]
    expected = [engine.search(batch, SHORT) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda batch: engine.search(batch, SHORT), batches)) == expected


@pytest.mark.parametrize("formats", ["sparse", "dense", "dense-int8"])
def test_every_instruction_set_finds_the_same(formats, instruction_set):
    stacks = [replace(s, dim=64, head_dim=16, embedding_scale=8.0, activation="gelu", embedding_norm=True) for s in PRE]
    compact = random_model(*stacks, words=150, density=0.5, seed=2)
    engine, options = CompiledEngine(compact, formats=formats), replace(SHORT, nbest=5)
    found = engine.search(sentences(compact, [1, 9, 33]), options)
    _engine.use("portable")
    assert_equal(found, engine.search(sentences(compact, [1, 9, 33]), options))


@pytest.mark.parametrize("formats", ["sparse", "dense"])
@pytest.mark.parametrize("values", ["float16", "bfloat16", "int8"])
def test_rounded_values(values, formats):
    compact = random_model(*PRE, seed=3, density=0.5)
    rounded = {
        key: converted(key, weight, values) if isinstance(weight, Plain) else weight
        for key, weight in compact.weights.items()
    }
    expected = TorchEngine(replace(compact, weights=rounded)).search(sentences(compact), SHORT)
    assert_equal(CompiledEngine(compact, values=values, formats=formats).search(sentences(compact), SHORT), expected)
    stored = CompiledEngine(replace(compact, weights=rounded), formats=formats)
    assert_equal(stored.search(sentences(compact), SHORT), expected)


def test_weights_of_different_types_in_one_layer():
    compact = random_model(*PRE, seed=3, density=0.5)
    key = "decoder.layers.0.self_attn.v_proj.weight"
    mixed = replace(compact, weights={**compact.weights, key: converted(key, compact.weights[key], "int8")})
    expected = TorchEngine(mixed).search(sentences(compact), SHORT)
    assert_equal(CompiledEngine(mixed).search(sentences(compact), SHORT), expected)


def test_no_weight_stays_behind():
    compact = random_model(*PRE, density=0.5)
    values = weakref.ref(compact.weights["encoder.embed_tokens.weight"].values)
    engine = CompiledEngine(compact)
    source = sentences(compact)
    del compact
    assert values() is None
    assert engine.search(source, SHORT)


def test_nothing_to_translate():
    assert CompiledEngine(random_model()).search([], SHORT) == []


def test_weights_that_are_not_numbers():
    compact = random_model()
    compact.weights["encoder.layers.0.fc2.bias"].values[3] = math.nan
    with pytest.raises(PruneError, match=r"source 0 has no translation .* not numbers"):
        CompiledEngine(compact).search([[5, EOS]], SHORT)


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
    weights = {**compact.weights, **{key: a if a is None else Plain.of(np.float32(a)) for key, a in change.items()}}
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
        ([EOS], {"no_repeat_ngram_size": 1, "min_len": 50, "max_len_b": 50}, None, "forbid every word"),
    ],
)
def test_searches_that_cannot_be(source, options, prefixes, message):
    engine = CompiledEngine(random_model())
    with pytest.raises(PruneError, match=message):
        engine.search([source], replace(SearchOptions(), **options), prefixes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"formats": "csr"}, "--formats csr: choose from auto, sparse, dense, dense-int8"),
        ({"values": "float64"}, "--values float64: choose from"),
        ({"threads": 0}, "--threads 0: give 1 or more"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(PruneError, match=message):
        CompiledEngine(random_model(), **settings)
