"""How the survivors' weights moved: signs that changed, and growth of |w| from rung to rung."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from nmt_prune.evaluation.analysis.tickets import Ticket, first_weights, fitting, rewound_weights, ticket, with_tickets
from nmt_prune.evaluation.records.scored_runs import ScoredRun, ScoredRuns
from nmt_prune.evaluation.reports.tables.bleu import NOTHING, percent
from nmt_prune.evaluation.reports.tables.table import Section, Table
from nmt_prune.masks.prunable import Prunable
from nmt_prune.techniques.labels import label

Numbers = Callable[[ScoredRun], Sequence[float | None]]


def signs(scored: ScoredRuns) -> list[Section]:
    """Shares of survivors whose sign in θ_T is not that in θ_0 and θ_t.

    Raises:
        PruneError: no pruned run has its checkpoint.
    """

    def numbers(run: ScoredRun) -> list[float | None]:
        own = ticket(run)
        return [_changed(own, first_weights(scored, run)), _changed(own, rewound_weights(run))]

    notes = (
        "Of the survivors, how many changed sign until the end of the training, θ_T: since θ_0 of the dense model of"
        " the seed (`rewind_0.pt`), and since θ_t that the run was rewound to. Weights that are 0 at either end do not"
        " count. A mask that was found on trained weights has survivors of which some had changed by then.",
    )
    rows = _rows(with_tickets(scored), numbers, ".1%")
    return [Section("Changes of sign", Table(["technique", "sparsity", "runs", "since θ_0", "since θ_t"], rows), notes)]


def growth(scored: ScoredRuns) -> list[Section]:
    """|w| of the survivors by rung.

    Raises:
        PruneError: no pruned run has its checkpoint.
    """

    def numbers(run: ScoredRun) -> list[float | None]:
        own = ticket(run)
        mean, largest = _sizes(own, own.weights)
        dense = scored.dense.get(run.record.seed)
        before = ticket(dense).weights if dense and dense.checkpoint.is_file() else None
        first = first_weights(scored, run)
        ratios = [mean / _sizes(own, other)[0] if other is not None else None for other in (first, before)]
        return [mean, largest, *ratios]

    notes = (
        "|w| of the survivors in θ_T: mean and largest; *× θ_0* and *× dense*: that mean relative to the same weights"
        " at θ_0 and in the trained dense model of the seed. SLT rewinds to the last rung, and there the largest grows"
        " from rung to rung (Brix 2020, section 5).",
    )
    headings = ["technique", "sparsity", "runs", "mean", "largest", "× θ_0", "× dense"]
    return [Section("Growth of |w|", Table(headings, _rows(with_tickets(scored), numbers, ".3g")), notes)]


def _rows(runs: Sequence[ScoredRun], numbers: Numbers, kind: str) -> list[list[str]]:
    """One row per technique and sparsity, means over seeds."""
    cells: dict[tuple[str, float], list[Sequence[float | None]]] = defaultdict(list)
    for run in runs:
        cells[run.record.technique, run.record.sparsity].append(numbers(run))
    rows = []
    for (technique, sparsity), values in cells.items():
        known = [[one for one in column if one is not None] for column in zip(*values, strict=True)]
        means = [format(statistics.fmean(column), kind) if column else NOTHING for column in known]
        rows.append([label(technique), percent(sparsity), str(len(values)), *means])
    return rows


def _changed(own: Ticket, before: Mapping[Prunable, Tensor] | None) -> float | None:
    if before is None:
        return None
    changed = counted = 0
    now = {prunable.name: weight for prunable, weight in own.weights.items()}
    for prunable, weight in fitting(own.masks, before):
        product = (now[prunable.name].sign() * weight.sign())[own.masks.candidates(prunable)]
        changed += int(torch.count_nonzero(product < 0))
        counted += int(torch.count_nonzero(product))
    return changed / counted if counted else None


def _sizes(own: Ticket, weights: Mapping[Prunable, Tensor]) -> tuple[float, float]:
    """Mean and largest |w| of those that survive in ``own``."""
    chosen = [weight.float().abs()[own.masks.candidates(prunable)] for prunable, weight in fitting(own.masks, weights)]
    survivors = torch.cat([one.flatten() for one in chosen]) if chosen else torch.zeros(0)
    if not len(survivors):
        return float("nan"), float("nan")
    return float(survivors.double().mean()), float(survivors.max())
