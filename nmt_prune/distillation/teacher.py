"""The teacher as something that turns rows of the source dictionary into hypotheses."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Protocol

from nmt_prune.distillation.settings import Distillation
from nmt_prune.runtime.batching import BatchSize, batches
from nmt_prune.runtime.engines import make_engine
from nmt_prune.runtime.loading import load_model
from nmt_prune.runtime.settings.search_limits import fit_beam

Rows = list[int]
Search = Callable[[Sequence[Rows]], list[list[Rows]]]
"""Of a batch of sources, the hypotheses of each."""

_BATCH = BatchSize(32)
_FAIRSEQ_BATCH = BatchSize(None, 12_000)


class Teacher(Protocol):
    """Translates; a sentence always as it is translated in the same batch."""

    longest_source: int
    longest_output: int

    def search(self, sources: Sequence[Rows]) -> list[list[Rows]]:
        """Hypotheses of each source, the best first; none of one that is too long. All end with the end of sentence."""
        ...


class _InBatches:
    """A search that is given sentences of similar length together."""

    def __init__(self, search: Search, size: BatchSize, longest_source: int, longest_output: int) -> None:
        self._search, self._size = search, size
        self.longest_source, self.longest_output = longest_source, longest_output

    def search(self, sources: Sequence[Rows]) -> list[list[Rows]]:
        chosen = [index for index, source in enumerate(sources) if 1 < len(source) <= self.longest_source]
        found: list[list[Rows]] = [[] for _ in sources]
        for batch in batches([len(sources[index]) for index in chosen], self._size):
            indices = [chosen[place] for place in batch]
            results = self._search([sources[index] for index in indices])
            for index, hypotheses in zip(indices, results, strict=True):
                found[index] = hypotheses
        return found


@lru_cache(maxsize=1)
def load_teacher(settings: Distillation) -> Teacher:
    """The teacher, loaded once in each process.

    Raises:
        PruneError: it cannot be read, or the engine cannot run it.
    """
    if settings.engine == "fairseq":
        from nmt_prune.measuring.fairseq_search import FairseqSearch  # imports fairseq, which takes seconds

        fairseq = FairseqSearch(
            settings.teacher,
            settings.data,
            beam=settings.beam,
            nbest=settings.best_of,
            lenpen=settings.lenpen,
            max_len_a=settings.max_len_a,
            max_len_b=settings.max_len_b,
        )
        return _InBatches(fairseq, _FAIRSEQ_BATCH, *fairseq.max_positions)
    model = load_model(settings.teacher, settings.data, settings.values, shrunk=True)
    engine = make_engine(model, settings.engine)
    options = fit_beam(settings.search, len(model.target))

    def search(sources: Sequence[Rows]) -> list[list[Rows]]:
        return [[hypothesis.tokens for hypothesis in found] for found in engine.search(sources, options)]

    positions = (stack.max_positions for stack in (model.architecture.encoder, model.architecture.decoder))
    return _InBatches(search, _BATCH, *positions)
