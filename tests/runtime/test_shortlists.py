"""Translating with some words of the dictionary: the same in both engines, and with all of them as without a list."""

from dataclasses import replace

import numpy as np
import pytest

from nmt_prune.errors import PruneError
from nmt_prune.runtime.batching import BatchSize
from nmt_prune.runtime.settings.search_options import SearchOptions
from nmt_prune.runtime.torch_engine.engine import TorchEngine
from nmt_prune.runtime.translator import Translator
from nmt_prune.storage.model.shortlist import from_lists
from nmt_prune.text.dictionaries import EOS, SPECIAL, UNK
from tests.runtime.comparing import assert_equal
from tests.runtime.models import random_model
from tests.runtime.torch_engine.test_torch_engine import PRE, SHORT, sentences

pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine is not built")
from nmt_prune.runtime.compiled import CompiledEngine

WORDS = np.array([0, 1, 2, 3, 5, 6, 7, 9, 11, 14, 17, 21, 25, 29, 33, 40], np.int32)
FORMS = [
    ("blocks", "int8"),
    *((formats, values) for formats in ("sparse", "dense", "dense-int8") for values in ("float32", "float16", "int8")),
]


@pytest.mark.parametrize(("formats", "values"), FORMS)
@pytest.mark.parametrize("beam", [1, 4])
def test_all_words_are_no_list(formats, values, beam, instruction_set):
    compact = random_model(*PRE, words=70, density=0.4, seed=3)
    engine, options = CompiledEngine(compact, values, formats), replace(SHORT, beam=beam, nbest=beam, unkpen=0.5)
    every = np.arange(len(compact.target), dtype=np.int32)
    sources = sentences(compact, [*range(1, 12)])
    assert engine.search(sources, options, None, every) == engine.search(sources, options)


def test_all_words_are_no_list_in_torch_and_in_two_forms(monkeypatch):
    from nmt_prune.runtime import formats

    compact, every = random_model(*PRE, seed=3, density=0.5), np.arange(44, dtype=np.int32)
    engine = TorchEngine(compact)
    assert engine.search(sentences(compact), SHORT, None, every) == engine.search(sentences(compact), SHORT)
    monkeypatch.setattr(formats, "choose", lambda *_: ("sparse", 16, "dense"))
    both, sources = CompiledEngine(compact), sentences(compact, [3, 9, 1, 5, 2, 4, 7])
    for some in (sources, sources[:1]):
        assert both.search(some, SHORT, None, every) == both.search(some, SHORT)


@pytest.mark.parametrize("formats", ["sparse", "dense"])
@pytest.mark.parametrize("tying", ["all", "none"])
@pytest.mark.parametrize(
    "options",
    [
        {"beam": 1},
        {"nbest": 5, "unkpen": -3.0, "temperature": 1.3},
        {"beam": 6, "nbest": 6, "no_repeat_ngram_size": 2, "min_len": 4},
        {"beam": 15, "nbest": 15, "max_len_b": 3},
    ],
    ids=str,
)
def test_some_words_are_the_same_in_both_engines(tying, formats, options):
    compact = random_model(*PRE, words=60, tying=tying, seed=4)
    options, prefixes = replace(SHORT, **options), [[5, 9], [], [], [UNK, 6], [7]]
    sources = sentences(compact)
    expected = TorchEngine(compact).search(sources, options, prefixes, WORDS)
    found = CompiledEngine(compact, formats=formats, threads=2).search(sources, options, prefixes, WORDS)
    assert_equal(found, expected)
    said = {token for beam in found for hypothesis in beam for token in hypothesis.tokens}
    assert said <= set(WORDS.tolist())
    assert_equal(CompiledEngine(compact, formats=formats).search(sources[:1], options, prefixes[:1], WORDS), found[:1])


@pytest.mark.parametrize(
    ("words", "prefixes", "message"),
    [
        ([2, 5, 99], None, "the list of words has the token 99"),
        ([-1, 2], None, "the list of words has the token -1"),
        ([2, 7, 5], None, "the list of words does not ascend"),
        ([2, 5, 5], None, "the list of words does not ascend"),
        ([5, 6], None, "the list of words lacks 2"),
        ([2, 5], [[6]], "the list of words lacks 6"),
    ],
)
def test_lists_that_cannot_be(words, prefixes, message):
    engine = CompiledEngine(random_model())
    with pytest.raises(PruneError, match=message):
        engine.search([[5, EOS]], SearchOptions(), prefixes, np.array(words, np.int32))


def with_shortlist(candidates: int = 3):
    """A model each of whose source words has some candidates, and two frequent target words."""
    compact, chance = random_model(*PRE, words=100, tying="none", seed=3), np.random.default_rng(1)
    lists = [[]] * len(SPECIAL) + [chance.integers(4, 104, candidates).tolist() for _ in range(100)]
    return replace(compact, shortlist=from_lists([5, 8], lists, 104))


def test_a_batch_has_the_candidates_of_its_words():
    compact = with_shortlist()
    shortlist = compact.shortlist
    found = shortlist.words([[10, EOS], [11, 10, EOS]], [[], [77]])
    wanted = {*range(4), 5, 8, 77, *shortlist.of(10).tolist(), *shortlist.of(11).tolist()}
    assert wanted <= set(found.tolist())
    assert len(found) == -(-len(wanted) // 8) * 8
    assert (np.diff(found) > 0).all()
    assert len(replace(shortlist, size=13).words([])) == 8
    small = from_lists([], [[]] * 4 + [[4]], 5)
    assert small.words([[4]]).tolist() == [*range(5)]


@pytest.mark.parametrize("engine", ["compiled", "torch"])
def test_a_translator_uses_it_where_it_is_asked_to(engine):
    compact = with_shortlist()
    lines, batches = ["w3 w9", "w50", "", "w7 w3 w2"], BatchSize(2)
    translate = Translator(compact, engine, shortlist=True).translate_lines
    found = [result.tokens[0] for result in translate(lines, SHORT, prefixes=["", "v31", "", ""], batch_size=batches)]
    assert found[1][0] == "v31"
    rows = [[compact.source.index(word) for word in line.split()] for line in lines]
    allowed = [compact.shortlist.words([rows[number] for number in batch], [[35]]) for batch in ([0, 3], [1])]
    for number, words in ((0, allowed[0]), (3, allowed[0]), (1, allowed[1])):
        assert {compact.target.index(word) for word in found[number]} <= set(words.tolist())
    without = [result.tokens[0] for result in Translator(compact, engine).translate_lines(lines, SHORT)]
    assert without != found
    with pytest.raises(PruneError, match="the model has no shortlist; make one with nmt-prune shortlist"):
        Translator(replace(compact, shortlist=None), engine, shortlist=True)


def test_a_beam_wider_than_its_words_is_narrowed():
    compact = replace(with_shortlist(), shortlist=from_lists([], [[]] * 104, 104))
    for engine in ("compiled", "torch"):
        (found,) = Translator(compact, engine, shortlist=True).translate_batch(
            [["w1"]], beam_size=20, num_hypotheses=20, max_decoding_length=5
        )
        assert 1 <= len(found.hypotheses) <= 7
