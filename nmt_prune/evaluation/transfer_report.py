"""The report of a transfer recipe: the ordinary report of each target, and their matrix."""

from collections.abc import Sequence
from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.report import Report, write_report
from nmt_prune.evaluation.reports.tables.transfer import TransferMatrix
from nmt_prune.files import atomic_path


def write_transfer_report(runs: Path, targets: Sequence[str]) -> Report:
    """Writes ``RUNS/TARGET/report/`` for each target and the matrix to ``RUNS/report/``.

    Args:
        runs: ``runs/<recipe>``.
        targets: names of the targets, in the order of the matrix.

    Raises:
        PruneError: a target is unknown or has no scored run, or see
            :func:`nmt_prune.evaluation.report.write_report`.
    """
    for target in targets:
        if not (runs / target).is_dir():
            raise PruneError(f"{runs} has no runs on {target}; repeat nmt-prune run, or take it out of the recipe")
    results = {target: write_report(runs / target).results for target in targets}
    from nmt_prune.evaluation.reports.figures.heat_map import draw_transfer
    from nmt_prune.evaluation.reports.page.page import write_transfer_page

    matrix = TransferMatrix.of(runs.resolve().name, results)
    names = ("table.md", "transfer.csv", "report.html", "transfer.png", "transfer.svg")
    table, numbers, page, *figures = paths = tuple(runs / "report" / name for name in names)
    with atomic_path(table) as temporary:
        temporary.write_text(matrix.text(), encoding="utf-8")
    matrix.write_csv(numbers)
    write_transfer_page(page, matrix.title, matrix.section(), targets)
    draw_transfer(matrix, figures)
    return Report(matrix.text(), paths)
