"""Translating sentences in Python, in the manner of CTranslate2's ``Translator``."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, repeat, zip_longest
from os import PathLike
from pathlib import Path
from types import NoneType
from typing import Any

from nmt_prune.errors import PruneError
from nmt_prune.runtime.alignments import check_has_attention
from nmt_prune.runtime.batched_search import BatchedSearch
from nmt_prune.runtime.batching import BatchSize
from nmt_prune.runtime.cached import CachedEngine, check_cacheable
from nmt_prune.runtime.engines import make_engine
from nmt_prune.runtime.loading import load_model
from nmt_prune.runtime.results import LineResult, TranslationResult
from nmt_prune.runtime.segmentation import Segmentation
from nmt_prune.runtime.settings.arguments import check_kind, check_number, iter_lines, subwords
from nmt_prune.runtime.settings.search_options import Hypothesis, SearchOptions
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.splitting import AS_FOUND, Splitting, resplit

_CALLED = {
    "beam": "beam_size",
    "nbest": "num_hypotheses",
    "lenpen": "length_penalty",
    "unkpen": "unk_penalty",
    "max_len_b": "max_decoding_length",
    "min_len": "min_decoding_length",
    "no_repeat_ngram_size": "no_repeat_ngram_size",
}
"""What ``translate_batch`` calls the options of a search."""


class Translator:
    """Translates with one model, a sentence of any batch as it would be alone.

    Forked processes may go on with it. Pickled, it is read from its file again.

    Args:
        model: a compact model, or the path of one or of a checkpoint of fairseq's.
        engine: ``auto``, ``compiled`` or ``torch``.
        threads: batches that are translated at the same time.
        values: of a file: type to which weights are converted, as ``nmt-prune pack`` calls it; None: as they are.
        data: of a checkpoint: the folder with its dictionaries; None: the one that it was trained on.
        splitting: what is known about the splitting of its text; the rest is as the model says.
        shortlist: translate a batch with the candidates of its subwords alone, which is faster and may change
            translations; see ``nmt-prune shortlist``.
        cache: sentences whose translations are remembered, the latest; with a shortlist as they were in their batch.

    Raises:
        PruneError: there is no such model or engine, the model has no shortlist, or an argument is for files alone.
        TypeError: an argument is of another type.
    """

    def __init__(
        self,
        model: CompactModel | Path | str,
        engine: str = "auto",
        threads: int = 1,
        values: str | None = None,
        data: Path | None = None,
        splitting: Splitting = AS_FOUND,
        shortlist: bool = False,
        cache: int = 0,
    ) -> None:
        check_kind("model", model, (CompactModel, str, PathLike), "a path or a CompactModel")
        check_kind("engine", engine, str, "auto, compiled or torch")
        check_number("threads", threads, int, 1)
        check_kind("values", values, (str, NoneType), "the name of a type or None")
        check_kind("data", data, (str, PathLike, NoneType), "a path or None")
        check_kind("splitting", splitting, Splitting, "a Splitting")
        check_kind("shortlist", shortlist, bool, "True or False")
        check_number("cache", cache, int, 0)
        data = None if data is None else Path(data)
        self._path = None if isinstance(model, CompactModel) else Path(model).absolute()
        self._arguments = (engine, threads, values, data and data.absolute(), splitting.absolute(), shortlist, cache)
        if not isinstance(model, CompactModel):
            model = load_model(model, data, values, splitting=splitting)
        elif given := [name for name, value in (("values", values), ("data", data)) if value is not None]:
            raise PruneError(f"{given[0]} is for models in files; give the path of one, or leave it out")
        else:
            model = resplit(model, splitting)
        self._segmentation, self._architecture = Segmentation(model), model.architecture
        runner = make_engine(model, engine)
        runner, self._is_cached = CachedEngine(runner, cache) if cache else runner, cache > 0
        self._search = BatchedSearch(model, runner, threads, shortlist)

    def __reduce__(self) -> tuple[type["Translator"], tuple[Any, ...]]:
        """Another process reads the model from its file again.

        Raises:
            TypeError: the translator was made from a model and not from a path.
        """
        if self._path is None:
            raise TypeError("a Translator of a model in memory cannot be pickled; make it from the path of a file")
        return type(self), (self._path, *self._arguments)

    def translate_batch(
        self,
        source: Sequence[Sequence[str]],
        target_prefix: Sequence[Sequence[str] | None] | None = None,
        *,
        max_batch_size: int = 32,
        batch_type: str = "examples",
        beam_size: int = 5,
        num_hypotheses: int = 1,
        length_penalty: float = 1.0,
        unk_penalty: float = 0.0,
        no_repeat_ngram_size: int = 0,
        max_decoding_length: int = 200,
        min_decoding_length: int = 1,
        return_scores: bool = False,
        return_attention: bool = False,
    ) -> list[TranslationResult]:
        """Translates subwords; arguments are called and mean what they do in CTranslate2, defaults are fairseq's.

        Args:
            source: subwords of each sentence; one without any has empty translations.
            target_prefix: subwords with which each translation must begin.
            max_batch_size: most sentences of a batch, or most tokens with padding.
            batch_type: ``examples`` or ``tokens``.
            beam_size: see ``SearchOptions.beam``.
            num_hypotheses: see ``SearchOptions.nbest``.
            length_penalty: see ``SearchOptions.lenpen``.
            unk_penalty: see ``SearchOptions.unkpen``.
            no_repeat_ngram_size: see ``SearchOptions``.
            max_decoding_length: longest translation.
            min_decoding_length: shortest translation.
            return_scores: whether results have scores.
            return_attention: whether results have attention and alignments.

        Raises:
            PruneError: the arguments contradict each other.
            TypeError: an argument is of another type, as a string instead of a list of subwords.
            ValueError: a number is out of range.
        """
        sentences = subwords("source", source)
        prefixes = subwords("target_prefix", [None] * len(sentences) if target_prefix is None else target_prefix)
        check_number("max_batch_size", max_batch_size, int, 1)
        check_kind("return_scores", return_scores, bool, "True or False")
        self._check_attention(return_attention)
        if batch_type not in ("examples", "tokens"):
            raise PruneError(f"batch_type {batch_type} is unknown; choose examples or tokens")
        size = BatchSize(max_batch_size) if batch_type == "examples" else BatchSize(None, max_batch_size)
        options = SearchOptions(
            beam=beam_size,
            nbest=num_hypotheses,
            lenpen=length_penalty,
            unkpen=unk_penalty,
            max_len_b=max_decoding_length,
            min_len=min_decoding_length,
            no_repeat_ngram_size=no_repeat_ngram_size,
            scores=return_scores,
        )
        self._search.check(options, _CALLED)
        return [
            TranslationResult(
                [self._search.subwords(hypothesis) for hypothesis in found],
                [hypothesis.score for hypothesis in found] if return_scores else [],
                [hypothesis.attention for hypothesis in found] if return_attention else [],
                [hypothesis.alignment for hypothesis in found] if return_attention else [],
            )
            for found in self._search.search(sentences, prefixes, options, size, return_attention)
        ]

    def translate_lines(
        self,
        lines: Iterable[str],
        options: SearchOptions | None = None,
        *,
        prefixes: Iterable[str] | None = None,
        prefix_size: int | None = None,
        batch_size: BatchSize | None = None,
        buffer_size: int = 1000,
        return_attention: bool = False,
    ) -> Iterator[LineResult]:
        """Translates lines of text, as many at a time as the buffer holds; results come in the order of the lines.

        Args:
            lines: the lines; an empty one has empty translations.
            options: what to search for.
            prefixes: what the translation of each line must begin with; empty: anything.
            prefix_size: take only so many subwords of each prefix, as of references; None: all.
            batch_size: size of a batch.
            buffer_size: lines that are read before the first of them is translated, to be sorted by length.
            return_attention: whether results have attention and alignments.

        Raises:
            PruneError: the arguments contradict each other, or there are not as many prefixes as lines.
            TypeError: an argument or a line is of another type, as a string instead of a list of lines.
            ValueError: a number is out of range.
        """
        options, size = (
            SearchOptions() if options is None else options,
            BatchSize() if batch_size is None else batch_size,
        )
        self._search.check(options)
        if self._is_cached:
            check_cacheable(options)
        check_kind("batch_size", size, BatchSize, "a BatchSize")
        for name, most in size._asdict().items():
            if most is not None:
                check_number(f"batch_size.{name}", most, int, 1)
        check_number("buffer_size", buffer_size, int, 1)
        self._check_attention(return_attention)
        each = iter_lines("lines", lines)
        pairs: Iterator[tuple[str, str]] = zip(each, repeat(""), strict=False)
        if prefixes is not None:
            pairs = zip_longest(each, iter_lines("prefixes", prefixes))
        if prefix_size is not None:
            check_number("prefix_size", prefix_size, int, 1)
            if prefixes is None:
                raise PruneError(f"prefix_size {prefix_size} does nothing without prefixes; give them")
        return self._lines(pairs, prefix_size, options, size, buffer_size, return_attention)

    def _lines(
        self,
        pairs: Iterator[tuple[str, str]],
        prefix_size: int | None,
        options: SearchOptions,
        size: BatchSize,
        buffer_size: int,
        attention: bool,
    ) -> Iterator[LineResult]:
        first = 0
        while buffer := list(islice(pairs, buffer_size)):
            if any(line is None or prefix is None for line, prefix in buffer):
                raise PruneError("there are not as many prefixes as lines; give one for each, an empty one for none")
            sources = [self._segmentation.split(line) for line, _ in buffer]
            begin = [self._segmentation.split(prefix, "target")[:prefix_size] for _, prefix in buffer]
            results = self._search.search(sources, begin, options, size, attention, first)
            for source, found in zip(sources, results, strict=True):
                yield self._line(source, found, options.scores, attention)
            first += len(buffer)

    def _line(
        self, source: Sequence[str], found: Sequence[Hypothesis], return_scores: bool, attention: bool
    ) -> LineResult:
        tokens = [self._search.subwords(hypothesis) for hypothesis in found]
        lines = [self._segmentation.join(subwords) for subwords in tokens]
        scores = [hypothesis.score for hypothesis in found] if return_scores else []
        result = LineResult(lines, tokens, scores, "" if found else self._search.why_nothing(source))
        if not attention:
            return result
        return result._replace(
            source=self._search.read(source),
            attention=[hypothesis.attention for hypothesis in found],
            alignments=[hypothesis.alignment for hypothesis in found],
        )

    def _check_attention(self, asked: bool) -> None:
        check_kind("return_attention", asked, bool, "True or False")
        if asked:
            check_has_attention(self._architecture)
