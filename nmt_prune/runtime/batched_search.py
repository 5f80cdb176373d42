"""From subwords of sentences in any order and number to their hypotheses."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

from nmt_prune.errors import PruneError
from nmt_prune.runtime.alignments import hard_alignment
from nmt_prune.runtime.batching import BatchSize, batches
from nmt_prune.runtime.sampling import draws
from nmt_prune.runtime.settings.search_limits import check_limits, check_options, fit_beam
from nmt_prune.runtime.settings.search_options import AligningEngine, Hypothesis, SearchOptions
from nmt_prune.runtime.vocabulary import Vocabulary
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.text.dictionaries import EOS

Subwords = Sequence[str]


class BatchedSearch:
    """Divides sentences into batches, has an engine translate them, and puts the results in order.

    Args:
        model: the model.
        engine: what runs it.
        threads: batches that are translated at the same time.
        shortlist: whether a batch is translated into candidates of its subwords alone.

    Raises:
        PruneError: ``threads`` is not positive, or the model has no shortlist.
    """

    def __init__(self, model: CompactModel, engine: AligningEngine, threads: int, shortlist: bool = False) -> None:
        if threads < 1:
            raise PruneError(f"--threads {threads} is too small; give 1 or more")
        if shortlist and model.shortlist is None:
            raise PruneError("the model has no shortlist; make one with nmt-prune shortlist MODEL --out NEW.nmt")
        self._engine, self._shortlist = engine, model.shortlist if shortlist else None
        self._longest_source = model.architecture.encoder.max_positions
        self._longest_output = model.architecture.decoder.max_positions
        self._source, self._target = Vocabulary(model.source), Vocabulary(model.target)
        self._threads, self._process = threads, 0
        self._pool: ThreadPoolExecutor | None = None

    def check(self, options: SearchOptions, names: Mapping[str, str] = MappingProxyType({})) -> None:
        """Refuses what no sentence could be searched for with.

        Args:
            options: what to search for.
            names: see ``check_options``.

        Raises:
            PruneError: the settings contradict each other, or the longest translation is too short for them.
            TypeError: one is of another type.
        """
        check_options(options, names)
        check_limits(options, [self._longest_source], self._longest_output, names)

    def search(
        self,
        sources: Sequence[Subwords],
        prefixes: Sequence[Subwords],
        options: SearchOptions,
        size: BatchSize,
        attention: bool = False,
        first: int = 0,
    ) -> list[list[Hypothesis]]:
        """Translates sentences.

        Args:
            sources: their subwords; a sentence without any has empty translations.
            prefixes: what each translation must begin with.
            options: what to search for.
            size: size of a batch.
            attention: whether hypotheses have attention and alignments; they are read once more for that.
            first: number of the first sentence, from which what is drawn follows.

        Returns:
            Hypotheses of each sentence, the best first; see :meth:`why_nothing` where there are none.

        Raises:
            PruneError: the arguments contradict each other.
        """
        if len(prefixes) != len(sources):
            raise PruneError(f"{len(prefixes)} prefixes for {len(sources)} sentences; give one for each")
        self.check(options)
        options = fit_beam(options, len(self._target))
        rows = [[*self._source.rows(source), EOS] for source in sources]
        begin = [self._target.rows(prefix) for prefix in prefixes]
        if any(EOS in prefix for prefix in begin):
            raise PruneError("a prefix has the end of sentence </s>; give what is in front of it")
        found = [[Hypothesis([EOS], 0.0, [0.0])] * options.nbest if len(row) == 1 else [] for row in rows]
        for batch, results in self._in_batches(rows, begin, options, size, attention, first):
            for index, hypotheses in zip(batch, results, strict=True):
                found[index] = hypotheses
        return found

    def subwords(self, hypothesis: Hypothesis) -> list[str]:
        """Subwords of a hypothesis."""
        return self._target.subwords(hypothesis.tokens)

    def read(self, source: Subwords) -> list[str]:
        """The subwords of a source that alignments count."""
        return [subword for subword in source if self._source.rows([subword]) not in ([], [EOS])]

    def why_nothing(self, source: Subwords) -> str:
        """Why a sentence has no hypothesis."""
        length = len(self._source.rows(source)) + 1
        if length > self._longest_source:
            return f"its {length} tokens are more than the {self._longest_source} that the model can read"
        return (
            "no translation has a probability above 0: the length, prefix or repetitions that are asked for forbid all,"
            " or the model's numbers overflow"
        )

    def _in_batches(
        self,
        rows: list[list[int]],
        begin: list[list[int]],
        options: SearchOptions,
        size: BatchSize,
        attention: bool,
        first: int,
    ) -> Iterable[tuple[list[int], list[list[Hypothesis]]]]:
        """Indices of the sentences of each batch, and their hypotheses."""
        chosen = [index for index, row in enumerate(rows) if 1 < len(row) <= self._longest_source]
        lengths = [len(rows[index]) for index in chosen]
        check_limits(options, lengths, self._longest_output)
        work = [[chosen[place] for place in batch] for batch in batches(lengths, size)]

        def translate(batch: list[int]) -> list[list[Hypothesis]]:
            sources, given = [rows[index] for index in batch], [begin[index] for index in batch]
            numbers = [first + index for index in batch]
            found = self._found(sources, given if any(given) else None, options, numbers)
            return self._aligned(sources, found) if attention else found

        return zip(work, self._map(translate, work), strict=True)

    def _found(
        self,
        sources: list[list[int]],
        prefixes: list[list[int]] | None,
        options: SearchOptions,
        numbers: list[int],
    ) -> list[list[Hypothesis]]:
        words = None
        if self._shortlist is not None:
            words = self._shortlist.words(sources, prefixes or [])
            options = fit_beam(options, len(words))
        drawn = None
        if options.sampling:
            pairs = zip(numbers, sources, strict=True)
            drawn = [draws(options, number, len(source), self._longest_output) for number, source in pairs]
        return self._engine.search(sources, options, prefixes, words, drawn)

    def _aligned(self, sources: list[list[int]], found: list[list[Hypothesis]]) -> list[list[Hypothesis]]:
        weights = self._engine.attention(sources, [[hypothesis.tokens for hypothesis in own] for own in found])
        return [
            [
                hypothesis._replace(attention=rows, alignment=hard_alignment(rows, source, hypothesis.tokens))
                for hypothesis, rows in zip(hypotheses, own, strict=True)
            ]
            for source, hypotheses, own in zip(sources, found, weights, strict=True)
        ]

    @property
    def _map(self) -> Callable[..., Iterable[list[list[Hypothesis]]]]:
        """``map`` in threads of this process: a forked one has not inherited them and would wait for ever."""
        if self._threads == 1:
            return map
        if self._pool is None or self._process != os.getpid():
            self._pool, self._process = ThreadPoolExecutor(self._threads, "translate"), os.getpid()
        return self._pool.map
