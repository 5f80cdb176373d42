"""Sentences that come again are not translated again."""

import pickle

import numpy as np
import pytest

from nmt_prune.runtime import translator as module
from nmt_prune.runtime.cached import CachedEngine
from nmt_prune.runtime.settings.search_options import SearchOptions
from nmt_prune.runtime.translator import Translator
from nmt_prune.storage.format.compact_file import save_compact
from nmt_prune.text.dictionaries import EOS
from tests.runtime.echo import EchoEngine, echo_model
from tests.runtime.models import random_model


def test_the_latest_are_known():
    echo, options = EchoEngine(echo_model()), SearchOptions()
    cached = CachedEngine(echo, 3)

    def asked(*words: int, **settings) -> list[list[int]]:
        before = len(echo.batches)
        sources = [[word, EOS] for word in words]
        assert cached.search(sources, options, **settings) == echo_alone.search(sources, options, **settings)
        return [source for batch in echo.batches[before:] for source in batch]

    echo_alone = EchoEngine(echo_model())
    assert asked(4, 5, 4) == [[4, EOS], [5, EOS]]
    assert asked(4, 6) == [[6, EOS]]
    assert asked(5, 6, 4) == []
    assert asked(7) == [[7, EOS]]  # of the others 5 was asked for first
    assert asked(4, 6) == []
    assert asked(5, prefixes=[[8]]) == [[5, EOS]]
    assert asked(5, prefixes=[[8]]) == asked(4, 6) == []
    assert asked(7) == [[7, EOS]]
    options = SearchOptions(nbest=2)
    assert asked(8, 8) == [[8, EOS]]
    assert asked() == []


def test_words_of_a_batch_go_on_to_the_engine():
    class Listing(EchoEngine):
        def search(self, sources, options, prefixes=None, words=None):
            self.words = words
            return super().search(sources, options, prefixes)

    engine, words = Listing(echo_model()), np.array([2, 5], np.int32)
    CachedEngine(engine, 1).search([[5, EOS]], SearchOptions(), None, words)
    assert engine.words is words


def test_a_translator_caches_where_it_is_asked_to(monkeypatch, tmp_path):
    echo = EchoEngine(echo_model())
    monkeypatch.setattr(module, "make_engine", lambda model, kind: echo)
    lines = ["one two", "three", "one two"]
    for cache, batches in ((0, 2), (10, 1)):
        echo.batches.clear()
        translator = Translator(echo_model(), cache=cache)
        for _ in range(2):
            assert [result.lines[0] for result in translator.translate_lines(lines)] == lines
        assert len(echo.batches) == batches
    with pytest.raises(ValueError, match="cache -1 is too small; the least is 0"):
        Translator(echo_model(), cache=-1)
    with pytest.raises(TypeError, match="cache: expected a whole number"):
        Translator(echo_model(), cache=True)


def test_a_pickled_translator_caches_too(tmp_path):
    save_compact(random_model(), tmp_path / "model.nmt")
    translator = pickle.loads(pickle.dumps(Translator(tmp_path / "model.nmt", "torch", cache=5)))
    first = translator.translate_batch([["w1"]], max_decoding_length=4)
    translator._search._engine._engine = None
    assert translator.translate_batch([["w1"]], max_decoding_length=4) == first
