"""The masks and weights of the runs of a recipe."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from torch import Tensor

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.checkpoints.weights import existing
from nmt_prune.errors import PruneError
from nmt_prune.evaluation.records.scored_runs import ScoredRun, ScoredRuns, beside
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.techniques.labels import is_searched, is_small, ordered

FIRST = "rewind_0.pt"
"""θ_0 in the folder of a dense run."""

_AT_ONCE = 24


@dataclass(frozen=True)
class Ticket:
    """What a run ended with.

    Attributes:
        run: the run.
        masks: its masks.
        weights: its weights θ_T.
    """

    run: ScoredRun
    masks: MaskSet
    weights: Mapping[Prunable, Tensor]


def with_tickets(scored: ScoredRuns) -> list[ScoredRun]:
    """Pruned runs of a given sparsity whose checkpoint is there, by technique, sparsity and seed.

    Raises:
        PruneError: there are none.
    """
    runs = [
        run
        for run in scored.scored
        if run.record.sparsity > 0
        and run.checkpoint.is_file()
        and not is_small(run.record.technique)
        and not is_searched(run.record.technique)
    ]
    if not runs:
        raise PruneError(f"{scored.folder} holds no pruned run with its checkpoint; give a folder that has them")
    rank = {name: place for place, name in enumerate(ordered(run.record.technique for run in runs))}
    return sorted(runs, key=lambda run: (rank[run.record.technique], run.record.sparsity, run.record.seed))


def ticket(run: ScoredRun) -> Ticket:
    """Reads the scored checkpoint of a run; the last ones read are kept."""
    masks, weights = _read(run.checkpoint)
    return Ticket(run, masks, weights)


def first_weights(scored: ScoredRuns, run: ScoredRun) -> Mapping[Prunable, Tensor] | None:
    """θ_0 of the dense model of a run's seed; None where it is not there."""
    dense = scored.dense.get(run.record.seed)
    return _weights(dense.folder / FIRST) if dense else None


def rewound_weights(run: ScoredRun) -> Mapping[Prunable, Tensor] | None:
    """θ_t that a run was rewound to; None where it was not, or the file is gone."""
    source = (run.record.settings.get("pruning") or {}).get("rewind_from")
    found = beside(run.folder, source)
    return None if found is None else _weights(found)


def fitting(masks: MaskSet, weights: Mapping[Prunable, Tensor]) -> Iterator[tuple[Prunable, Tensor]]:
    """Those weights of other points that are of the same matrices."""
    shapes = {prunable.name: (prunable, weight) for prunable, weight in weights.items()}
    for prunable in masks.prunables:
        found = shapes.get(prunable.name)
        if found is not None and found[0].shape == prunable.shape:
            yield prunable, found[1]


@lru_cache(maxsize=_AT_ONCE)
def _read(path: Path) -> tuple[MaskSet, Mapping[Prunable, Tensor]]:
    checkpoint = Checkpoint.load(path)
    return existing(checkpoint), checkpoint.matrices


def _weights(path: Path) -> Mapping[Prunable, Tensor] | None:
    return _read(path)[1] if path.is_file() else None
