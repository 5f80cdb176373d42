"""``nmt-prune verify``: whether results are what they say."""

from pathlib import Path
from typing import Annotated

import typer


def verify(
    results: Annotated[Path, typer.Argument(help="Folder of runs, runs/RECIPE, or of one run.", metavar="RESULTS")],
    data: Annotated[
        Path | None, typer.Option(help="Data folder with the references; by default as when scored.")
    ] = None,
) -> None:
    """Check results against their digests, and score the stored translations again.

    One line per run: ok, or what differs; with exit status 1 if anything does. The report's numbers are made anew and
    compared. Nothing is translated or written.
    """
    from nmt_prune.evaluation.verification.verify import verify as check

    verdicts = check(results, data)
    for verdict in verdicts:
        typer.echo(verdict)
    if any(verdict.differs for verdict in verdicts):
        raise typer.Exit(1)
