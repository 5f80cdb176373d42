"""``nmt-prune report``: table and plot of the runs of a recipe."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[Path, typer.Argument(help="Folder of scored runs: runs/RECIPE.", metavar="RUNS_DIR")],
    data: Annotated[
        Path | None, typer.Option(help="Data folder with the references; by default as when scored.")
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(help="Technique from which to show the differences in BLEU, tested over seeds; repeatable."),
    ] = None,
    published: Annotated[
        list[str] | None,
        typer.Option(help="Paper whose numbers to show beside; repeatable.", show_default="those of the recipe"),
    ] = None,
) -> None:
    """Compare the runs of a recipe: a page, tables and figures (BLEU by sparsity, size, speed) in RUNS_DIR/report.

    Speed on this machine's CPU is measured for runs with a checkpoint that have no speed.json yet.
    """
    from nmt_prune.errors import PruneError
    from nmt_prune.evaluation.report import write_report
    from nmt_prune.evaluation.transfer_report import write_transfer_report
    from nmt_prune.experiments.planning.plan import Plan

    if targets := Plan.targets_in(runs):
        if data is not None or published or against:
            raise PruneError(f"{runs} is of a transfer recipe, whose report takes no --data, --against or --published")
        written = write_transfer_report(runs, targets)
    else:
        papers = Plan.published_in(runs) if published is None else published
        written = write_report(runs, data, papers, against or ())
    typer.echo(written.text)
    for path in written.paths:
        typer.echo(path)
