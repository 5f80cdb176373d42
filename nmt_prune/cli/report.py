"""``nmt-prune report``: table and plot of the runs of a recipe."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[Path, typer.Argument(help="Folder of scored runs: runs/RECIPE.", metavar="RUNS_DIR")],
    data: Annotated[
        Path | None, typer.Option(help="Data folder with the references; by default as when scored.")
    ] = None,
) -> None:
    """Compare the runs of a recipe: results.csv, results.json, table.md, bleu.png and bleu.svg in RUNS_DIR/report."""
    from nmt_prune.evaluation.report import write_report

    written = write_report(runs, data)
    typer.echo(written.text)
    for path in written.paths:
        typer.echo(path)
