"""Whether the line between the weights of two rungs stays low: linear mode connectivity along a ladder."""

import statistics
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.analysis.tickets import with_tickets
from nmt_prune.evaluation.records.scored_runs import ScoredRun, ScoredRuns, beside
from nmt_prune.evaluation.reports.tables.bleu import percent
from nmt_prune.evaluation.reports.tables.table import Section, Table
from nmt_prune.techniques.labels import label

if TYPE_CHECKING:
    from nmt_prune.measuring.linear_path import LinearPath

POINTS = 11


def connectivity(scored: ScoredRuns, data: Path | None = None) -> list[Section]:
    """The barrier between each run and the rung that it comes of, or the dense model of its seed.

    Args:
        scored: the runs.
        data: folder of the binarized corpus; None is where it was when the runs were scored.

    Raises:
        PruneError: no pruned run has its checkpoint, nor a rung or dense model below; the data is gone.
    """
    from nmt_prune.measuring.linear_path import linear_path  # imports fairseq, which takes seconds

    paths: dict[tuple[str, float, float], list[LinearPath]] = defaultdict(list)
    for below, run in _pairs(scored):
        folder = Path(run.scores.reference).parents[1] if data is None else data
        rung = (run.record.technique, below.record.sparsity, run.record.sparsity)
        paths[rung].append(linear_path(below.checkpoint, run.checkpoint, folder, POINTS))
    if not paths:
        raise PruneError(f"{scored.folder} holds no run with its checkpoint and that of the rung below")
    rows = []
    for (technique, before, after), measured in paths.items():
        columns = (
            [path.losses[0] for path in measured],
            [max(path.losses[1:-1]) for path in measured],
            [path.losses[-1] for path in measured],
            [path.barrier for path in measured],
        )
        means = [f"{statistics.fmean(column):.3f}" for column in columns]
        rows.append([label(technique), f"{percent(before)} to {percent(after)}", str(len(measured)), *means])
    notes = (
        f"Cross-entropy on the validation set, in nats per target token, at {POINTS} points of the line between the"
        " weights of a rung and those of the next. *Barrier*: how far it rises above the straight line between the"
        " losses of the ends. Rungs without one lie in one basin (Frankle 2020; for ladders Paul 2023).",
    )
    headings = ["technique", "rungs", "runs", "loss before", "highest between", "loss after", "barrier"]
    return [Section("Linear connectivity of rungs", Table(headings, rows), notes)]


def _pairs(scored: ScoredRuns) -> list[tuple[ScoredRun, ScoredRun]]:
    """Every pruned run with its parent, or the dense model of its seed, where both have their checkpoints."""
    by_folder, pairs = {run.folder.resolve(): run for run in scored.scored}, []
    for run in with_tickets(scored):
        parent = beside(run.folder, run.record.parent)
        below = (by_folder.get(parent.resolve()) if parent else None) or scored.dense.get(run.record.seed)
        if below is not None and below.checkpoint.is_file():
            pairs.append((below, run))
    return pairs
