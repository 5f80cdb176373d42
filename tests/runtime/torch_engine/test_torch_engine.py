"""The torch engine finds what fairseq finds."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest
import torch
from fairseq.ngram_repeat_block import NGramRepeatBlock
from fairseq.sequence_generator import SequenceGenerator

from nmt_prune.runtime.settings.search_options import Hypothesis, SearchOptions
from nmt_prune.runtime.torch_engine.engine import TorchEngine
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.text.dictionaries import EOS
from tests.runtime.models import DECODER, ENCODER, PRE_NORM, fairseq_model, random_model

SHORT = SearchOptions(max_len_b=25)


def fairseq_search(
    compact: CompactModel, sources: Sequence[Sequence[int]], options: SearchOptions, prefixes: Any = None
) -> list[list[Hypothesis]]:
    """One sentence a time, so that no sentence's longest output is another's."""
    model, dictionary = fairseq_model(compact)
    generator = SequenceGenerator(
        [model],
        dictionary,
        beam_size=options.beam,
        max_len_a=options.max_len_a,
        max_len_b=options.max_len_b,
        min_len=options.min_len,
        normalize_scores=options.normalize_scores,
        len_penalty=options.lenpen,
        unk_penalty=options.unkpen,
        temperature=options.temperature,
        no_repeat_ngram_size=options.no_repeat_ngram_size,
    )
    found = []
    for number, source in enumerate(sources):
        batch = {"src_tokens": torch.tensor([source]), "src_lengths": torch.tensor([len(source)])}
        prefix = torch.tensor([prefixes[number]]) if prefixes and prefixes[number] else None
        (hypotheses,) = generator.generate([model], {"net_input": batch}, prefix_tokens=prefix)
        found.append([as_tuple(hypothesis) for hypothesis in hypotheses[: options.nbest]])
    return found


def as_tuple(hypothesis: dict[str, Any]) -> Hypothesis:
    by_token = hypothesis["positional_scores"].tolist()
    return Hypothesis(hypothesis["tokens"].tolist(), float(hypothesis["score"]), by_token)


def sentences(compact: CompactModel, lengths: Sequence[int] = (1, 3, 9, 17, 2)) -> list[list[int]]:
    chance = torch.Generator().manual_seed(1)
    words = len(compact.source)
    return [[*torch.randint(3, words, (length,), generator=chance).tolist(), EOS] for length in lengths]


def assert_same(compact: CompactModel, sources: Any, options: SearchOptions, prefixes: Any = None) -> Any:
    expected = fairseq_search(compact, sources, options, prefixes)
    found = TorchEngine(compact).search(sources, options, prefixes)
    assert [[h.tokens for h in beam] for beam in found] == [[h.tokens for h in beam] for beam in expected]
    for mine, theirs in zip(chain(*found), chain(*expected), strict=True):
        assert mine.score == pytest.approx(theirs.score, abs=1e-4)
        assert mine.token_scores == pytest.approx(theirs.token_scores, abs=1e-4)
    return found


PRE = replace(ENCODER, **PRE_NORM), replace(DECODER, **PRE_NORM)
ARCHITECTURES = {
    "post-norm": (ENCODER, DECODER),
    "pre-norm": PRE,
    "pre-norm, no final norm": (PRE[0], replace(PRE[1], final_norm=False)),
    "post-norm, gone": (
        replace(ENCODER, heads=(0, 3), ffn=(7, 0)),
        replace(DECODER, heads=(2, 0), cross_heads=(0, 1), ffn=(0, 5)),
    ),
    "pre-norm, gone": (
        replace(PRE[0], heads=(1, 0), ffn=(0, 9)),
        replace(PRE[1], heads=(0, 4), cross_heads=(3, 0), ffn=(24, 0)),
    ),
    "learned positions": tuple(replace(s, positions="learned", max_positions=40) for s in (ENCODER, DECODER)),
    "no positions": tuple(replace(s, positions="none") for s in PRE),
    "norm behind embeddings": tuple(replace(s, embedding_norm=True, embedding_scale=1.0) for s in PRE),
    "other decoder": (
        replace(ENCODER, dim=24, head_dim=12, heads=(2,), ffn=(8,), embedding_scale=24**0.5),
        replace(DECODER, head_dim=8, heads=(2, 1), cross_heads=(1, 2), ffn=(5, 30)),
    ),
    **{name: tuple(replace(s, activation=name) for s in (ENCODER, DECODER)) for name in ("gelu", "gelu_accurate")},
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_same_hypotheses_for_every_architecture(name):
    encoder, decoder = ARCHITECTURES[name]
    tying = "none" if encoder.dim != decoder.dim else "all"
    compact = random_model(encoder, decoder, tying=tying)
    found = assert_same(compact, sentences(compact), replace(SHORT, nbest=5, min_len=5))
    assert len({tuple(hypothesis.tokens) for beam in found for hypothesis in beam}) > 5


@pytest.mark.parametrize("tying", ["all", "decoder", "none"])
def test_same_hypotheses_for_every_tying(tying):
    compact = random_model(tying=tying, words=30, target_words=None if tying == "all" else 45, density=0.3)
    assert_same(compact, sentences(compact), SHORT)


OPTIONS = {
    "greedy": replace(SHORT, beam=1),
    "beam of 8": replace(SHORT, beam=8, nbest=8),
    "beam larger than the dictionary": replace(SHORT, beam=15, nbest=15),
    "length penalty": replace(SHORT, lenpen=0.4),
    "unnormalized": replace(SHORT, normalize_scores=False, nbest=5),
    "unknown word penalty": replace(SHORT, unkpen=-4.0, nbest=5),
    "temperature": replace(SHORT, temperature=0.5),
    "no shortest length": replace(SHORT, min_len=0, nbest=5),
    "shortest length": replace(SHORT, min_len=9, nbest=5),
    "longest length by the source": replace(SHORT, max_len_a=1.4, max_len_b=2, nbest=5),
    "longest length is 1": replace(SHORT, max_len_b=1, nbest=5),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_same_hypotheses_for_every_option(name):
    compact = random_model(*PRE, words=12 if "dictionary" in name else 40, seed=3)
    assert_same(compact, sentences(compact), OPTIONS[name])


def test_hypotheses_end_at_different_lengths():
    compact = random_model(*PRE, seed=3)
    found = TorchEngine(compact).search(sentences(compact), replace(SHORT, nbest=5))
    assert len({len(hypothesis.tokens) for beam in found for hypothesis in beam}) > 3


def test_positions_end_where_the_decoder_has_no_more():
    encoder, decoder = (replace(stack, positions="learned", max_positions=12) for stack in PRE)
    compact = random_model(encoder, decoder)
    found = assert_same(compact, sentences(compact, (1, 11)), SearchOptions(nbest=5, min_len=11))
    assert max(len(hypothesis.tokens) for beam in found for hypothesis in beam) == 12


def test_prefixes():
    compact = random_model(*PRE, seed=3)
    prefixes = [[7, 9], [5], [], [6, 6, 6, 8, 11], [4, 3]]
    found = assert_same(compact, sentences(compact), replace(SHORT, nbest=3), prefixes)
    for beam, prefix in zip(found, prefixes, strict=True):
        assert all(hypothesis.tokens[: len(prefix)] == prefix for hypothesis in beam)


def test_a_prefix_longer_than_the_longest_output_is_cut():
    compact = random_model(seed=3)
    assert_same(compact, sentences(compact, [4]), replace(SHORT, max_len_b=3), [[7, 9, 8, 10, 11]])


@pytest.mark.parametrize("size", [2, 3])
def test_no_ngram_twice(size, monkeypatch):
    # fairseq hands the whole padded buffer to the blocker, which then looks for an n-gram of padding.
    whole = NGramRepeatBlock._no_repeat_ngram

    def corrected(self, tokens, lprobs, bsz, beam_size, step):
        return whole(self, tokens[:, : step + 1], lprobs, bsz, beam_size, step)

    compact, options = random_model(), replace(SHORT, no_repeat_ngram_size=size, nbest=5)
    free = TorchEngine(compact).search(sentences(compact), replace(options, no_repeat_ngram_size=0))
    assert any(repeats(hypothesis.tokens, size) for beam in free for hypothesis in beam)
    monkeypatch.setattr(NGramRepeatBlock, "_no_repeat_ngram", corrected)
    found = assert_same(compact, sentences(compact), options)
    assert not any(repeats(hypothesis.tokens, size) for beam in found for hypothesis in beam)


def repeats(tokens: list[int], size: int) -> bool:
    ngrams = [tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)]
    return len(set(ngrams)) < len(ngrams)


def test_no_word_twice():
    compact = random_model()
    found = TorchEngine(compact).search(sentences(compact), replace(SHORT, no_repeat_ngram_size=1, nbest=5))
    assert not any(repeats(hypothesis.tokens, 1) for beam in found for hypothesis in beam)


def test_a_forced_ngram_may_repeat():
    compact, prefix = random_model(), [5, 6, 5, 6, 5]
    (found,) = TorchEngine(compact).search([[7, EOS]], replace(SHORT, no_repeat_ngram_size=2), [prefix])
    assert found[0].tokens[:5] == prefix


def test_a_sentence_does_not_depend_on_its_batch():
    compact = random_model(*PRE, seed=3)
    options, engine = replace(SHORT, max_len_a=1.0, max_len_b=3, nbest=5), TorchEngine(compact)
    sources, prefixes = sentences(compact), [[7, 9], [5], [], [6, 6, 6, 8], [4, 3]]
    together = engine.search(sources, options, prefixes)
    for number, (source, prefix) in enumerate(zip(sources, prefixes, strict=True)):
        (alone,) = engine.search([source], options, [prefix])
        assert [h.tokens for h in together[number]] == [h.tokens for h in alone]
        assert [h.score for h in together[number]] == pytest.approx([h.score for h in alone], abs=1e-5)


@pytest.mark.parametrize("length", [250, 1023])
def test_long_sentences(length):
    compact = random_model(*PRE)
    assert_same(compact, sentences(compact, [length]), SearchOptions(beam=2, max_len_b=250, min_len=240))


def test_nothing_to_translate():
    assert TorchEngine(random_model()).search([], SHORT) == []
