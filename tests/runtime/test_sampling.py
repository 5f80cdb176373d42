"""Sampling draws what fairseq draws by the same random numbers, and words by their probabilities."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from fairseq.search import Sampling
from fairseq.sequence_generator import SequenceGenerator
from scipy.stats import chisquare

from nmt_prune.errors import PruneError
from nmt_prune.runtime.batching import BatchSize
from nmt_prune.runtime.sampling import draws
from nmt_prune.runtime.settings.search_options import SearchOptions
from nmt_prune.runtime.torch_engine.engine import TorchEngine
from nmt_prune.runtime.translator import Translator
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.text.dictionaries import EOS, PAD
from tests.runtime.comparing import assert_equal
from tests.runtime.models import fairseq_model, random_model
from tests.runtime.torch_engine.test_torch_engine import PRE, SHORT, as_tuple, sentences

pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine is not built")
from nmt_prune.runtime.compiled import CompiledEngine

SAMPLED = replace(SHORT, beam=3, nbest=3, sampling=True)
OPTIONS = {
    "all words": SAMPLED,
    "one sample": replace(SAMPLED, beam=1, nbest=1, scores=False),
    "the likeliest": replace(SAMPLED, sampling_topk=4),
    "as many as there are": replace(SAMPLED, sampling_topk=44),
    "a probability": replace(SAMPLED, sampling_topp=0.6, temperature=1.5),
    "all probability": replace(SAMPLED, sampling_topp=1.0),
    "as short or long as is allowed": replace(SAMPLED, min_len=5, max_len_a=0.5, max_len_b=6, lenpen=0.3),
    "unknown words": replace(SAMPLED, unkpen=-4.0, sampling_topp=0.9, normalize_scores=False, seed=2),
    "another temperature": replace(SAMPLED, temperature=0.5, sampling_topk=9, seed=5),
}


def drawn_for(options: SearchOptions, sources: Sequence[Sequence[int]], first: int = 0) -> list[list[float]]:
    return [draws(options, first + number, len(source), 1024) for number, source in enumerate(sources)]


class GivenDraws(Sampling):
    """fairseq's sampling of one sentence, by given draws instead of torch's generator."""

    def __init__(self, dictionary: Any, options: SearchOptions, table: list[float]) -> None:
        super().__init__(dictionary, options.sampling_topk or -1, options.sampling_topp or -1.0)
        self.stop_on_max_len = True
        self._table = torch.tensor(table, dtype=torch.float64).view(options.beam, -1)
        self._samples = torch.arange(options.beam)  # in the order of fairseq's rows, the finished ones last
        self._finished = torch.zeros(options.beam, dtype=torch.bool)

    def step(self, step: int, *arguments: Any) -> Any:
        wanted = self._table[self._samples, step]

        def multinomial(weights: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
            sums = weights.double().cumsum(dim=1).expand(len(wanted), -1)
            found = torch.searchsorted(sums.contiguous(), (wanted * sums[:, -1]).unsqueeze(1), right=True)
            return found.view(len(weights), -1)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "multinomial", multinomial)
            scores, words, beams = super().step(step, *arguments)
        self._finished |= words[0] == EOS
        order = self._finished.long().sort(stable=True).indices
        self._samples, self._finished = self._samples[order], self._finished[order]
        return scores, words, beams


def fairseq_samples(compact: CompactModel, sources: Any, options: SearchOptions, prefixes: Any) -> list[list[Any]]:
    model, dictionary = fairseq_model(compact)
    found = []
    for source, table, prefix in zip(sources, drawn_for(options, sources), prefixes, strict=True):
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
            search_strategy=GivenDraws(dictionary, options, table),
        )
        batch = {"src_tokens": torch.tensor([source]), "src_lengths": torch.tensor([len(source)])}
        forced = torch.tensor([prefix]) if prefix else None
        (hypotheses,) = generator.generate([model], {"net_input": batch}, prefix_tokens=forced)
        found.append([as_tuple(hypothesis) for hypothesis in hypotheses[: options.nbest]])
    return found


@pytest.mark.parametrize("name", OPTIONS)
def test_as_in_fairseq(name):
    compact, options = random_model(*PRE, words=40, seed=2), OPTIONS[name]
    sources, prefixes = sentences(compact, [1, 9, 17, 6]), [[7, 9], [], [6], []]
    expected = fairseq_samples(compact, sources, options, prefixes)
    for engine in (CompiledEngine(compact), TorchEngine(compact)):
        found = engine.search(sources, options, prefixes, None, drawn_for(options, sources))
        assert_equal(found, expected)
    assert len({tuple(hypothesis.tokens) for beam in found for hypothesis in beam}) > 3
    assert len({len(hypothesis.tokens) for beam in found for hypothesis in beam}) > 1


def test_more_words_than_there_are():
    compact = random_model(*PRE, words=40, seed=3)
    sources, options = sentences(compact), OPTIONS["as many as there are"]
    for engine in (CompiledEngine(compact), TorchEngine(compact)):
        some, all_words = (
            engine.search(sources, replace(options, sampling_topk=most), None, None, drawn_for(options, sources))
            for most in (44, 500)
        )
        assert some == all_words


def test_every_instruction_set_draws_the_same_of_a_large_dictionary(instruction_set):
    compact = random_model(*PRE, words=3000, density=0.4)
    sources = sentences(compact, [3, 9] * 30)
    words = np.array([*range(40), *range(600, 2600, 3)], np.int32)
    compiled, plain = CompiledEngine(compact, formats="sparse"), TorchEngine(compact)
    for settings in ({}, {"sampling_topp": 0.9}, {"sampling_topk": 100}, {"sampling_topk": 300}):
        options = replace(SAMPLED, max_len_b=1, **settings)
        for chosen in (None, words):
            given = sources, options, None, chosen, drawn_for(options, sources)
            found, expected = (
                [hypothesis for beam in engine.search(*given) for hypothesis in beam] for engine in (compiled, plain)
            )
            same = [(a, b) for a, b in zip(found, expected, strict=True) if a.tokens == b.tokens]
            # Among so many words a draw may lie so close to the next one that rounding decides.
            assert len(same) > 0.95 * len(found)
            assert [a.score for a, _ in same] == pytest.approx([b.score for _, b in same], abs=1e-4)
            assert len({hypothesis.tokens[0] for hypothesis in found}) > 50


@pytest.mark.parametrize("engine", ["compiled", "torch"])
@pytest.mark.parametrize("options", [{}, {"sampling_topk": 5}, {"sampling_topp": 0.7}, {"temperature": 2.0}], ids=str)
def test_words_are_drawn_by_their_probabilities(options, engine):
    compact, count = random_model(*PRE, words=20, seed=3), 3000
    settings = replace(SHORT, beam=1, sampling=True, max_len_b=1, min_len=0, **options)
    results = Translator(compact, engine).translate_lines(["w3 w4 w5"] * count, settings, batch_size=BatchSize(500))
    # Neither end of a sentence is among the subwords.
    counts = Counter(result.tokens[0][0] if result.tokens[0] else "" for result in results)
    probabilities = exact(compact, settings)
    assert set(counts) <= set(probabilities)
    often = [word for word, probability in probabilities.items() if probability * count >= 5]
    expected = [probabilities[word] * count for word in often]
    found = [counts[word] for word in often]
    if len(often) < len(probabilities):
        expected, found = [*expected, count - sum(expected)], [*found, count - sum(found)]
    assert len(often) > 3
    assert chisquare(found, expected).pvalue > 0.001


def exact(compact: CompactModel, options: SearchOptions) -> dict[str, float]:
    """Probabilities of the first word, by fairseq's model."""
    model, _ = fairseq_model(compact)
    source = [[*(compact.source.index(word) for word in ("w3", "w4", "w5")), EOS]]
    with torch.no_grad():
        logits, _ = model(torch.tensor(source), torch.tensor([4]), torch.tensor([[EOS]]))
    weights = (logits[0, -1] / options.temperature).double().softmax(dim=0)
    weights[PAD] = 0
    ranked = sorted(zip(weights.tolist(), compact.target, strict=True), reverse=True)
    if options.sampling_topk:
        ranked = ranked[: options.sampling_topk]
    if options.sampling_topp:
        before = np.cumsum([0, *(weight for weight, _ in ranked)])[:-1]
        ranked = [ranked[place] for place in (before < options.sampling_topp).nonzero()[0]]
    total = sum(weight for weight, _ in ranked)
    found: dict[str, float] = {}
    for weight, word in ranked:
        name = "" if word in ("<s>", "</s>") else word
        found[name] = found.get(name, 0) + weight / total
    return {word: weight for word, weight in found.items() if weight}


def test_neither_batches_nor_buffers_nor_threads_matter():
    compact = random_model(*PRE, words=20, seed=3)
    lines = ["w3 w4", "w3 w4", "", "w5", "w3 w4 w6 w7", "w5", "w3 w4"]
    found = [
        [
            result.tokens
            for result in Translator(compact, engine, threads=threads).translate_lines(
                lines, SAMPLED, batch_size=BatchSize(size), buffer_size=buffer
            )
        ]
        for engine, threads, size, buffer in [
            ("compiled", 1, 32, 1000),
            ("compiled", 2, 2, 3),
            ("compiled", 1, 1, 1),
            ("torch", 2, 3, 5),
        ]
    ]
    assert found[1:] == found[:1] * 3
    assert found[0][0] != found[0][1] != found[0][6]
    others = Translator(compact).translate_lines(lines, replace(SAMPLED, seed=2))
    assert [result.tokens for result in others] != found[0]
    default = Translator(compact).translate_lines(lines, replace(SAMPLED, seed=1))
    assert [result.tokens for result in default] == found[0]


@pytest.mark.parametrize("engine", ["compiled", "torch"])
def test_samples_neither_compete_nor_depend_on_how_long_others_may_be(engine):
    compact = random_model(*PRE, words=20, seed=3)
    many = SearchOptions(sampling=True, beam=50, nbest=50, max_len_b=9)  # of 24 symbols
    (found,) = Translator(compact, engine).translate_lines(["w3 w4"], many)
    assert len(found.lines) == 50
    for fewer in (replace(many, beam=7, nbest=7), replace(many, max_len_b=12)):
        (others,) = Translator(compact, engine).translate_lines(["w3 w4"], fewer)
        kept = [tuple(tokens) for tokens in others.tokens if len(tokens) < 9]
        assert kept
        assert set(kept) <= {tuple(tokens) for tokens in found.tokens}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampling_topk": 5}, "--sampling-topk 5 does nothing without --sampling; add it"),
        ({"sampling_topp": 0.5}, "--sampling-topp 0.5 does nothing without --sampling; add it"),
        ({"seed": 1}, "--seed 1 does nothing without --sampling; add it"),
        ({"sampling": True, "seed": -1}, "--seed -1 is too small; the least is 0"),
        ({"sampling": True, "sampling_topk": -1}, "--sampling-topk -1 is too small; the least is 0"),
        ({"sampling": True, "sampling_topp": 1.5}, "--sampling-topp 1.5 is too large; it is a probability"),
        ({"sampling": True, "sampling_topp": -0.1}, "--sampling-topp -0.1 is too small; the least is 0"),
        (
            {"sampling": True, "sampling_topp": 0.5, "sampling_topk": 5},
            "--sampling-topk and --sampling-topp exclude each other; give one",
        ),
    ],
)
def test_options_that_mean_nothing(options, message):
    with pytest.raises(PruneError, match=message):
        Translator(random_model(words=20)).translate_lines(["w3"], SearchOptions(**options))


def test_a_cache_is_refused():
    translator = Translator(random_model(words=20), cache=4)
    with pytest.raises(PruneError, match="--sampling draws each sentence anew, and --cache would repeat it"):
        translator.translate_lines(["w3"], SAMPLED)


@pytest.mark.parametrize("engine", [CompiledEngine, TorchEngine])
@pytest.mark.parametrize("given", [None, [], [[0.5]], [[1.0] * 78], [[float("nan")] * 78]])
def test_draws_that_do_not_fit(given, engine):
    with pytest.raises(
        PruneError, match=r"sampling takes beam x .* draws .* make them with nmt_prune.runtime.sampling"
    ):
        engine(random_model()).search([[5, EOS]], SAMPLED, None, None, given)


def test_nothing_is_drawn_where_nothing_may_be_said():
    compact = random_model(*PRE, seed=3)
    options = replace(SAMPLED, beam=1, nbest=1, max_len_b=4)
    table = drawn_for(options, [[5, EOS]])
    for engine in (CompiledEngine(compact), TorchEngine(compact)):
        assert engine.search([[5, EOS]], options, [[]], np.array([2], np.int32), table) == [[]]
