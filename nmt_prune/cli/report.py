"""``nmt-prune report``: table and plot of the runs of a recipe."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[Path, typer.Argument(help="Folder of scored runs: runs/RECIPE.", metavar="RUNS_DIR")],
    data: Annotated[
        Path | None, typer.Option(help="Data folder with the references; by default as when scored.")
    ] = None,
    published: Annotated[
        list[str] | None,
        typer.Option(help="Paper whose numbers to show beside; repeatable.", show_default="those of the recipe"),
    ] = None,
) -> None:
    """Compare the runs of a recipe: tables and figures (BLEU by sparsity, size and CPU time) in RUNS_DIR/report."""
    from nmt_prune.evaluation.report import write_report
    from nmt_prune.experiments.plan import Plan

    papers = Plan.published_in(runs) if published is None else published
    written = write_report(runs, data, papers)
    typer.echo(written.text)
    for path in written.paths:
        typer.echo(path)
