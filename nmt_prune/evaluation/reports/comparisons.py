"""Which runs of a report are compared, and their differences over seeds and sentences."""

from collections import defaultdict
from collections.abc import Sequence

from nmt_prune.evaluation.quality.resamples import Difference, Resamples
from nmt_prune.evaluation.reports.aggregates import Cell
from nmt_prune.evaluation.reports.run_result import RunResult
from nmt_prune.techniques import DENSE, LONGER
from nmt_prune.techniques.labels import is_searched

Pairs = dict[int, tuple[RunResult, RunResult]]
"""By seed: the run, and the one that it is compared with."""


def pairs_against(rows: Sequence[RunResult], against: str) -> dict[Cell, Pairs]:
    """Pairs each run with that of a technique with the same seed.

    Compared are runs of the same target sparsity; with the dense model all of them, with the dense model that was
    trained on those of the same planned total updates, and subnetworks of a search else only with each other.
    """
    pairs: dict[Cell, Pairs] = defaultdict(dict)
    for row in rows:
        for other in rows:
            if against in other.techniques and _comparable(row, other, against):
                for cell in Cell.all_of(row):
                    if cell.technique != against:
                        pairs[cell][row.seed] = row, other
    return dict(pairs)


def differences_against(rows: Sequence[RunResult], resamples: Resamples, against: str) -> dict[Cell, Difference]:
    """Mean differences in BLEU to a technique, tested over seeds and sentences and corrected for their number."""
    pairs = pairs_against(rows, against)
    return resamples.differences(
        {cell: [(row.run, other.run) for _, (row, other) in sorted(found.items())] for cell, found in pairs.items()}
    )


def _comparable(row: RunResult, other: RunResult, against: str) -> bool:
    if row.seed != other.seed:
        return False
    if against == DENSE:
        return True
    if is_searched(row.technique) != is_searched(against):
        return False
    if against == LONGER:
        return row.planned_total_updates == other.planned_total_updates
    return row.target_sparsity == other.target_sparsity
