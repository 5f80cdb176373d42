"""The compiled engine finds what fairseq finds, with every kernel, alone or in a batch."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from fairseq.ngram_repeat_block import NGramRepeatBlock
from fairseq.sequence_generator import SequenceGenerator

from nmt_prune.runtime.settings.search_options import SearchOptions
from nmt_prune.runtime.torch_engine.engine import TorchEngine
from nmt_prune.text.dictionaries import EOS, UNK
from tests.runtime.comparing import assert_equal
from tests.runtime.models import DECODER, ENCODER, fairseq_model, random_model
from tests.runtime.torch_engine.test_torch_engine import (
    ARCHITECTURES,
    OPTIONS,
    PRE,
    SHORT,
    as_tuple,
    fairseq_search,
    sentences,
)

pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine is not built")
from nmt_prune.runtime.compiled import CompiledEngine


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


@pytest.mark.parametrize("beam", [*range(1, 9), 20])
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


def test_nothing_to_translate():
    assert CompiledEngine(random_model()).search([], SHORT) == []
