"""Programs that translate with the same model: ours, CTranslate2, plain PyTorch and fairseq's generator."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import ctranslate2
import numpy as np
import torch
from fairseq.sequence_generator import SequenceGenerator

from nmt_prune.export.ctranslate2 import export_ctranslate2
from nmt_prune.runtime.compiled import CompiledEngine
from nmt_prune.runtime.settings.search_options import Engine, SearchOptions
from nmt_prune.runtime.torch_engine.engine import TorchEngine
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.shortlist import Shortlist
from nmt_prune.text.dictionaries import EOS, PAD, SPECIAL
from tests.benchmarks.instruction_sets import let_ctranslate2_use_all
from tests.runtime.models import fairseq_model

Sources = Sequence[Sequence[int]]
System = Callable[[Sources, SearchOptions], list[list[int]]]
"""Translates one batch: rows of the source dictionary, the end of sentence last, to rows of the target dictionary."""


def forced(length: int, beam: int) -> SearchOptions:
    """Makes every translation ``length`` tokens long, the end of sentence included."""
    return SearchOptions(beam=beam, max_len_b=length - 1, min_len=length - 1)


def ours(model: CompactModel, formats: str, values: str | None = None) -> System:
    """The compiled engine."""
    return by_engine(CompiledEngine(model, values, formats))


def with_shortlist(engine: Engine, shortlist: Shortlist) -> System:
    """An engine of ours with the candidates of a batch alone."""

    def translate(sources: Sources, options: SearchOptions) -> list[list[int]]:
        words = shortlist.words(sources)
        return [found[0].tokens for found in engine.search(sources, options, None, words)]

    return translate


def pytorch(model: CompactModel) -> System:
    """The same decoder in plain PyTorch, dense."""
    return by_engine(TorchEngine(model))


def by_engine(engine: Engine) -> System:
    """An engine of ours."""

    def translate(sources: Sources, options: SearchOptions) -> list[list[int]]:
        return [found[0].tokens for found in engine.search(sources, options)]

    return translate


def exported(model: CompactModel, quantization: str, threads: int = 1, shortlist: bool = False) -> System:
    """CTranslate2, so many batches at a time; at the longest length it writes a word, not the end of sentence."""
    with tempfile.TemporaryDirectory(prefix="nmt-prune-") as folder:
        path = Path(folder) / "model"
        export_ctranslate2(model, path, quantization)
        let_ctranslate2_use_all()
        translator = ctranslate2.Translator(
            str(path), compute_type=quantization, inter_threads=threads, intra_threads=1
        )
    rows = {word: row for row, word in enumerate(model.target)}

    def translate(sources: Sources, options: SearchOptions) -> list[list[int]]:
        is_forced = options.min_len == options.max_len_b
        found = translator.translate_batch(
            [[model.source[token] for token in source[:-1]] for source in sources],
            max_batch_size=-(-len(sources) // threads),
            beam_size=options.beam,
            max_decoding_length=options.max_len_b + is_forced,
            min_decoding_length=options.min_len + is_forced,
            use_vmap=shortlist,
        )
        return [[rows[word] for word in result.hypotheses[0]] + [EOS] * (not is_forced) for result in found]

    return translate


def fairseq(model: CompactModel) -> System:
    """fairseq's SequenceGenerator, dense products."""
    network, dictionary = fairseq_model(model)
    network.dense_inference = True
    network.prepare_for_inference_(SimpleNamespace(generation=_GENERATION))

    def translate(sources: Sources, options: SearchOptions) -> list[list[int]]:
        tokens = torch.full((len(sources), max(map(len, sources))), PAD)
        for row, source in zip(tokens, sources, strict=True):
            row[len(row) - len(source) :] = torch.tensor(source)
        sample = {"net_input": {"src_tokens": tokens, "src_lengths": torch.tensor([*map(len, sources)])}}
        generator = SequenceGenerator(
            [network], dictionary, beam_size=options.beam, max_len_b=options.max_len_b, min_len=options.min_len
        )
        return [found[0]["tokens"].tolist() for found in generator.generate([network], sample)]

    return translate


_GENERATION = SimpleNamespace(no_beamable_mm=False, beam=5, print_alignment=None)
"""What fairseq wants to know of the settings of fairseq-generate before it translates."""


def random_sources(model: CompactModel, sentences: int, length: int) -> Sources:
    """Sentences of ``length`` tokens, the end of sentence included."""
    words = np.random.default_rng(1).integers(len(SPECIAL), len(model.source), (sentences, length))
    words[:, -1] = EOS
    found: list[list[int]] = words.tolist()
    return found


def alternate(
    calls: Mapping[str, Callable[[], object]],
    rounds: Mapping[str, int],
    repeats: int = 1,
    clocks: Mapping[str, Callable[[], float]] | None = None,
) -> dict[str, list[float]]:
    """CPU seconds of each call by round; who goes first changes, since the others find another cache.

    Args:
        calls: what to measure.
        rounds: how many rounds each takes part in, spread over all of them.
        repeats: calls of a round, which is their mean.
        clocks: the CPU seconds of those that run in processes of their own.
    """
    own = clocks or {}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    most = max(rounds.values())
    for number in range(most):
        names = [name for name in calls if number * rounds[name] % most < rounds[name]]
        for place in range(len(names)):
            name = names[(number + place) % len(names)]
            clock = own.get(name, time.process_time)
            start = clock()
            for _ in range(repeats):
                calls[name]()
            seconds[name].append((clock() - start) / repeats)
    return seconds
