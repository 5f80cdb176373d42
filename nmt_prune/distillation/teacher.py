"""The teacher as something that turns rows of the source dictionary into hypotheses."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from nmt_prune.distillation.settings import Distillation
from nmt_prune.runtime.batching import BatchSize, batches
from nmt_prune.runtime.engines import make_engine
from nmt_prune.runtime.loading import load_model
from nmt_prune.runtime.settings.search_limits import fit_beam
from nmt_prune.runtime.settings.search_options import Engine, SearchOptions

Rows = list[int]

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
    """An engine that is given sentences of similar length together."""

    def __init__(
        self, engine: Engine, options: SearchOptions, size: BatchSize, longest_source: int, longest_output: int
    ) -> None:
        self._engine, self._options, self._size = engine, options, size
        self.longest_source, self.longest_output = longest_source, longest_output

    def search(self, sources: Sequence[Rows]) -> list[list[Rows]]:
        chosen = [index for index, source in enumerate(sources) if 1 < len(source) <= self.longest_source]
        found: list[list[Rows]] = [[] for _ in sources]
        for batch in batches([len(sources[index]) for index in chosen], self._size):
            indices = [chosen[place] for place in batch]
            results = self._engine.search([sources[index] for index in indices], self._options)
            for index, hypotheses in zip(indices, results, strict=True):
                found[index] = [hypothesis.tokens for hypothesis in hypotheses]
        return found


@lru_cache(maxsize=1)
def load_teacher(settings: Distillation) -> Teacher:
    """The teacher, loaded once in each process.

    Raises:
        PruneError: it cannot be read, or the engine cannot run it.
    """
    if settings.engine == "fairseq":
        from nmt_prune.measuring.fairseq_engine import FairseqEngine  # imports fairseq, which takes seconds

        fairseq = FairseqEngine(settings.teacher, settings.data, settings.search)
        return _InBatches(fairseq, settings.search, _FAIRSEQ_BATCH, *fairseq.max_positions)
    model = load_model(settings.teacher, settings.data, settings.values, shrunk=True)
    engine = make_engine(model, settings.engine)
    options = fit_beam(settings.search, len(model.target))
    positions = (stack.max_positions for stack in (model.architecture.encoder, model.architecture.decoder))
    return _InBatches(engine, options, _BATCH, *positions)
