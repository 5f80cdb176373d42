"""Differences in BLEU to any technique, seed by seed."""

import statistics
from collections import defaultdict
from collections.abc import Sequence

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.reports.aggregates import Cell
from nmt_prune.evaluation.reports.run_result import RunResult
from nmt_prune.evaluation.reports.tables.bleu import NOTHING, markdown, percent
from nmt_prune.techniques import DENSE, LONGER
from nmt_prune.techniques.labels import is_searched, label, ordered


def check_against(rows: Sequence[RunResult], against: str) -> None:
    """Refuses a technique without runs.

    Raises:
        PruneError: there are none.
    """
    known = ordered(technique for row in rows for technique in row.techniques)
    if against not in known:
        raise PruneError(f"--against {against}: no scored run is of this technique; there are {', '.join(known)}")


def difference_section(rows: Sequence[RunResult], against: str) -> str:
    """Heading and table in Markdown: of each technique and sparsity, BLEU minus that of ``against`` with the same seed.

    Compared are runs of the same target sparsity; with the dense model all of them, with the dense model that was
    trained on those of the same total updates, and subnetworks of a search only with each other.
    """
    differences: dict[Cell, dict[int, float]] = defaultdict(dict)
    for row in rows:
        for other in rows:
            if against in other.techniques and _comparable(row, other, against):
                for technique in row.techniques:
                    if technique != against:
                        cell = Cell.of(technique, row.target_sparsity, row.total_updates)
                        differences[cell][row.seed] = row.bleu - other.bleu
    seeds = sorted({row.seed for row in rows})
    rank = {technique: place for place, technique in enumerate(ordered(cell.technique for cell in differences))}
    table = []
    for cell in sorted(differences, key=lambda cell: (rank[cell.technique], cell.sparsity, cell.updates)):
        by_seed = differences[cell]
        values = [f"{by_seed[seed]:+.1f}" if seed in by_seed else NOTHING for seed in seeds]
        mean = f"{statistics.fmean(by_seed.values()):+.1f}"
        sparsity = NOTHING if is_searched(cell.technique) else percent(cell.sparsity)
        table.append([label(cell.technique), sparsity, *values, mean])
    headings = ["technique", "sparsity", *(f"seed {seed}" for seed in seeds), "mean"]
    return f"## BLEU minus that of: {label(against)}\n\n{markdown(headings, table)}"


def _comparable(row: RunResult, other: RunResult, against: str) -> bool:
    if row.seed != other.seed or is_searched(row.technique) != is_searched(against):
        return False
    if against == LONGER:
        return row.total_updates == other.total_updates
    return against == DENSE or row.target_sparsity == other.target_sparsity
