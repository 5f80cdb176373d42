"""Differences in BLEU to any technique, seed by seed and over all seeds."""

from collections.abc import Sequence

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.reports.comparisons import pairs_against
from nmt_prune.evaluation.reports.results import Results
from nmt_prune.evaluation.reports.run_result import RunResult
from nmt_prune.evaluation.reports.tables.bleu import NOTHING, by_row, percent
from nmt_prune.evaluation.reports.tables.legend import how_tested
from nmt_prune.evaluation.reports.tables.table import Section, Table
from nmt_prune.techniques.labels import is_searched, label, ordered


def check_against(rows: Sequence[RunResult], against: str) -> None:
    """Refuses a technique without runs.

    Raises:
        PruneError: there are none.
    """
    known = ordered(technique for row in rows for technique in row.techniques)
    if against not in known:
        raise PruneError(f"--against {against}: no scored run is of this technique; there are {', '.join(known)}")


def difference_section(results: Results, against: str) -> Section:
    """Heading, table and legend: of each technique and sparsity, BLEU minus that of ``against``.

    Which runs are compared: :func:`nmt_prune.evaluation.reports.comparisons.pairs_against`.
    """
    pairs, differences = pairs_against(results.rows, against), results.differences(against)
    rank = {technique: place for place, technique in enumerate(ordered(cell.technique for cell in pairs))}
    table, cells = [], sorted(pairs, key=lambda cell: (rank[cell.technique], cell.sparsity, cell.updates))
    for cell in cells:
        by_seed = {seed: row.bleu - other.bleu for seed, (row, other) in pairs[cell].items()}
        values = [f"{by_seed[seed]:+.1f}" if seed in by_seed else NOTHING for seed in results.seeds()]
        found = differences[cell]
        sparsity = NOTHING if is_searched(cell.technique) else percent(cell.sparsity)
        mean = f"{found.delta:+.1f}{'*' if found.significant else ''}"
        interval = f"{found.low:+.1f} to {found.high:+.1f}"
        p_values = [f"{p:.2g}" for p in (found.p_value, found.p_holm)]
        table.append([label(cell.technique), sparsity, *values, mean, interval, *p_values])
    headings = ["technique", "sparsity", *(f"seed {seed}" for seed in results.seeds())]
    headings += ["mean", "95 %", "p", "p (Holm)"]
    mark = f"`*`: the mean is not 0 {how_tested(results.seeds(), differences)}"
    interval = "95 %: confidence interval of the mean; it and p, unlike p (Holm), are those of a single comparison."
    heading = f"BLEU minus that of: {label(against)}"
    return Section(heading, Table(headings, table, by_row(cells)), [mark, interval])
