"""Alignments are those of ``fairseq-generate --print-alignment``, by every engine, alone or in a batch."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from fairseq.data.data_utils import collate_tokens
from fairseq.sequence_generator import SequenceGeneratorWithAlignment

from nmt_prune.errors import PruneError
from nmt_prune.runtime.alignments import hard_alignment
from nmt_prune.runtime.settings.search_options import Hypothesis
from nmt_prune.runtime.torch_engine.engine import TorchEngine
from nmt_prune.runtime.translator import Translator
from nmt_prune.storage.model.kept_values import KeptValues
from nmt_prune.storage.model.precision import converted
from nmt_prune.storage.model.shortlist import from_lists
from nmt_prune.text.dictionaries import EOS, PAD
from tests.runtime.models import fairseq_model, random_model
from tests.runtime.torch_engine.test_torch_engine import ARCHITECTURES, PRE, SHORT, sentences

_engine = pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine is not built")
from nmt_prune.runtime.compiled import CompiledEngine  # noqa: E402

NBEST = replace(SHORT, nbest=5, min_len=6)
GONE = replace(PRE[1], cross_heads=(4, 0))


def fairseq_alignments(compact: Any, sources: Any, kind: str) -> list[list[Any]]:
    """Tokens and alignments of all hypotheses of one batch, padded in front as in fairseq-generate."""
    model, dictionary = fairseq_model(compact)
    generator = SequenceGeneratorWithAlignment(
        [model], dictionary, print_alignment=kind, beam_size=5, max_len_b=NBEST.max_len_b, min_len=NBEST.min_len
    )
    tokens = collate_tokens([torch.tensor(source) for source in sources], PAD, EOS, left_pad=True)
    lengths = torch.tensor([len(source) for source in sources])
    found = generator.generate([model], {"net_input": {"src_tokens": tokens, "src_lengths": lengths}})
    return [[(h["tokens"].tolist(), h["alignment"]) for h in beam] for beam in found]


def aligned(engine: Any, sources: Any) -> list[list[tuple[Hypothesis, Any]]]:
    found = engine.search(sources, NBEST)
    weights = engine.attention(sources, [[h.tokens for h in beam] for beam in found])
    return [list(zip(*pair, strict=True)) for pair in zip(found, weights, strict=True)]


ENGINES = {
    "sparse": lambda compact: CompiledEngine(compact, formats="sparse"),
    "dense": lambda compact: CompiledEngine(compact, formats="dense", threads=2),
    "torch": TorchEngine,
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["post-norm", "pre-norm", "post-norm, gone", "other decoder"])
def test_as_in_fairseq(name, engine):
    encoder, decoder = ARCHITECTURES[name]
    compact = random_model(encoder, decoder, tying="none" if encoder.dim != decoder.dim else "all", seed=3)
    sources = [*sentences(compact), [5, EOS, 9, 11, EOS]]
    found = aligned(ENGINES[engine](compact), sources)
    hard, soft = (fairseq_alignments(compact, sources, kind) for kind in ("hard", "soft"))
    pairs = set()
    for source, mine, hards, softs in zip(sources, found, hard, soft, strict=True):
        for (hypothesis, weights), (tokens, alignment), (_, rows) in zip(mine, hards, softs, strict=True):
            assert hypothesis.tokens == tokens
            assert hard_alignment(weights, source, tokens) == alignment
            assert (weights.shape, weights.dtype) == ((len(tokens), len(source)), np.float32)
            theirs = [[float(p) for p in row] for row in rows]
            assert torch.allclose(torch.tensor(weights), torch.tensor(theirs), rtol=0, atol=2e-6)
            pairs |= set(alignment)
    assert len({source for source, _ in pairs}) > 3


@pytest.mark.parametrize("values", ["float16", "int8"])
def test_rounded_weights_and_every_instruction_set(values, instruction_set):
    compact = random_model(*PRE, seed=3, density=0.5)
    weights = {
        key: converted(key, weight, values) if len(weight.shape) == 2 else weight
        for key, weight in compact.weights.items()
    }
    rounded = replace(compact, weights={key: KeptValues.of(weight.dense()) for key, weight in weights.items()})
    engine, sources = CompiledEngine(compact, values=values, formats="sparse"), sentences(compact)
    targets = [[h.tokens for h in beam] for beam in engine.search(sources, NBEST)]
    found, expected = engine.attention(sources, targets), TorchEngine(rounded).attention(sources, targets)
    flat = [torch.tensor(one) for beam in found for one in beam]
    for mine, theirs in zip(flat, [torch.tensor(one) for beam in expected for one in beam], strict=True):
        assert torch.allclose(mine.sum(dim=1), torch.ones(len(mine)), atol=1e-5)
        # Keys are float16 where weights are int8; where inputs are rounded, too, weights move.
        allowed = 1e-5 if values == "float16" else 0.05 if instruction_set in ("amx", "avx512vbmi") else 1e-4
        assert float((mine - theirs).abs().mean()) < allowed


def test_a_batch_larger_than_what_is_read_at_once():
    compact = random_model(*PRE, seed=3)
    sources = sentences(compact, [*range(1, 18)])
    for engine in (CompiledEngine(compact), TorchEngine(compact)):
        targets = [[h.tokens for h in beam] for beam in engine.search(sources, NBEST)]
        targets[3] = targets[3][:2]
        together = engine.attention(sources, targets)
        for source, own, found in zip(sources, targets, together, strict=True):
            (alone,) = engine.attention([source], [own])
            for mine, theirs in zip(found, alone, strict=True):
                assert torch.allclose(torch.tensor(mine), torch.tensor(theirs), rtol=0, atol=1e-5)
        assert engine.attention([], []) == []
        assert engine.attention(sources[:2], [[], targets[1]])[0] == []


def test_of_a_translator_with_shortlist_and_cache():
    compact = random_model(*PRE, words=20, seed=3)
    compact = replace(compact, shortlist=from_lists([1, 2, 3], [range(4, 20)] * 24, 24))
    lines = ["w3 w4 w5", "", "w7 <pad> </s> w8", "w3 w4 w5"]
    plain = list(Translator(compact).translate_lines(lines, NBEST))
    assert {(result.source, result.attention, result.alignments) for result in plain} == {((), (), ())}
    for settings in ({}, {"cache": 9}, {"shortlist": True, "threads": 2}, {"engine": "torch"}):
        translator = Translator(compact, **settings)
        found = list(translator.translate_lines(lines, NBEST, return_attention=True))
        if not settings.get("shortlist"):
            assert [result.tokens for result in found] == [result.tokens for result in plain]
        assert found[0].alignments == found[3].alignments
        assert [result.source for result in found[:3]] == [["w3", "w4", "w5"], [], ["w7", "w8"]]
        for result in found:
            for words, pairs in zip(result.tokens, result.alignments, strict=True):
                assert [target for _, target in pairs][: len(words)] == list(range(len(words)))
                assert all(source < len(result.source) for source, _ in pairs)
    (batch,) = Translator(compact).translate_batch([["w3", "w4", "w5"]], num_hypotheses=2, return_attention=True)
    assert all(len(rows) > len(words) for rows, words in zip(batch.attention, batch.hypotheses, strict=True))
    assert len(batch.alignments) == 2


@pytest.mark.parametrize("engine", ["compiled", "torch"])
def test_without_attention(engine):
    translator = Translator(random_model(PRE[0], GONE, words=20), engine)
    with pytest.raises(PruneError, match="the cross-attention of the decoder's last layer, of which all heads are"):
        translator.translate_lines(["w3"], return_attention=True)
    with pytest.raises(TypeError, match="return_attention: expected True or False, not str 'hard'"):
        translator.translate_batch([["w3"]], return_attention="hard")
    if engine == "compiled":
        with pytest.raises(PruneError, match="the last layer of the decoder has no cross-attention"):
            CompiledEngine(random_model(PRE[0], GONE, words=20)).attention([[5, EOS]], [[[5, EOS]]])


@pytest.mark.parametrize(
    ("sources", "targets", "message"),
    [
        ([[5, EOS]], [[[99, EOS]]], "a target of source 0 has the token 99"),
        ([[99, EOS]], [[[5, EOS]]], "source 0 has the token 99"),
        ([[5, EOS]], [[[5] * 1025]], "a target of source 0 is longer than the decoder's positions"),
        ([[5, EOS]], [], "targets of 0 sources, not of 1"),
    ],
)
def test_what_cannot_be_read(sources, targets, message):
    with pytest.raises(PruneError, match=message):
        CompiledEngine(random_model()).attention(sources, targets)
