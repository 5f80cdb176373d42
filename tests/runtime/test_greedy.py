"""A beam of 1 without scores: the words that it finds with them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from nmt_prune.runtime.settings.search_options import SearchOptions
from nmt_prune.runtime.torch_engine.engine import TorchEngine
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.text.dictionaries import EOS, UNK
from tests.runtime.models import random_model
from tests.runtime.torch_engine.test_torch_engine import OPTIONS, PRE, SHORT, sentences

pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine is not built")
from nmt_prune.runtime.compiled import CompiledEngine

GREEDY = {
    **{name: replace(options, beam=1, nbest=1) for name, options in OPTIONS.items() if "beam" not in name},
    "unknown words at another temperature": replace(SHORT, beam=1, unkpen=-3.0, temperature=2.0),
    "no word twice": replace(SHORT, beam=1, no_repeat_ngram_size=1),
}


def assert_same(engine, sources, options, prefixes=None, words=None):
    expected = engine.search(sources, options, prefixes, words)
    found = engine.search(sources, replace(options, scores=False), prefixes, words)
    assert [[h.tokens for h in beam] for beam in found] == [[h.tokens for h in beam] for beam in expected]
    assert all(math.isnan(beam[0].score) and beam[0].token_scores == [] for beam in found)


@pytest.mark.parametrize("engine", [CompiledEngine, TorchEngine])
@pytest.mark.parametrize("name", GREEDY)
def test_same_words_for_every_option(name, engine):
    compact = random_model(*PRE, seed=3)
    prefixes = [[7, 9], [], [UNK], [], [6, 6, 8]]
    assert_same(engine(compact), sentences(compact), GREEDY[name], prefixes)


def test_same_words_by_every_instruction_set(instruction_set):
    options = replace(SHORT, beam=1, unkpen=0.5)
    for words in (36, 700):
        compact = random_model(*PRE, words=words, density=0.4, seed=words)
        engine = CompiledEngine(compact)
        assert_same(engine, sentences(compact, [*range(30)]), options)
        assert_same(engine, sentences(compact), options, words=np.arange(0, words, 2, dtype=np.int32))


def test_a_wider_beam_has_its_scores():
    compact = random_model(*PRE, seed=3)
    engine, sources = CompiledEngine(compact), sentences(compact)
    assert engine.search(sources, replace(SHORT, scores=False)) == engine.search(sources, SHORT)


@pytest.mark.parametrize("kind", ["one is infinite", "all are not numbers"])
@pytest.mark.parametrize("words", [37, 700])
def test_no_word_where_logits_are_no_numbers(words, kind, instruction_set):
    engine = CompiledEngine(broken(words, kind))
    for scores in (True, False):
        assert engine.search([[5, EOS]], SearchOptions(beam=1, scores=scores)) == [[]]


def test_the_torch_engine_finds_nothing_there_either():
    for kind in ("one is infinite", "all are not numbers"):
        engine = TorchEngine(broken(37, kind))
        assert engine.search([[5, EOS]], SearchOptions(beam=1, scores=False)) == [[]]


def broken(words: int, kind: str) -> CompactModel:
    """A model of finite weights whose logits overflow."""
    compact = random_model(*PRE, words=words, tying="none")
    gain, bias = (compact.weights[f"decoder.layer_norm.{name}"].values for name in ("weight", "bias"))
    if kind == "one is infinite":
        gain[:], bias[:] = 0, 1e30
        compact.weights["decoder.output_projection.weight"].values[-16:] = 1e38
    else:
        gain[:], bias[:] = 3e38, -3e38
        compact.weights["decoder.output_projection.weight"].values[:] *= 1e30
    return compact
