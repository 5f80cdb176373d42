"""``nmt-prune analyse``."""

from pathlib import Path
from typing import Annotated

import typer

analyse = typer.Typer(
    no_args_is_help=True,
    help="Look into the runs of a recipe; written to RUNS_DIR/report/analysis, which nmt-prune report includes.",
)
Runs = Annotated[Path, typer.Argument(help="Folder of scored runs: runs/RECIPE.", metavar="RUNS_DIR")]


@analyse.command()
def overlap(runs: Runs) -> None:
    """Overlap of tickets over seeds, techniques and rungs, against chance."""
    _say("overlap", runs)


@analyse.command()
def signs(runs: Runs) -> None:
    """Survivors whose sign changed since θ_0 and θ_t."""
    _say("signs", runs)


@analyse.command()
def growth(runs: Runs) -> None:
    """Mean and largest |w| of the survivors by rung, beside θ_0 and the dense model."""
    _say("growth", runs)


@analyse.command()
def density(runs: Runs) -> None:
    """Density by layer and kind of matrix, of the sparsest rung of each technique."""
    _say("density", runs)


@analyse.command()
def losses(
    runs: Runs,
    data: Annotated[
        Path | None, typer.Option(help="Data folder with the references; by default as when scored.")
    ] = None,
) -> None:
    """Where BLEU is lost: by length of the sentence and frequency of the word, and how many sentences are won."""
    _say("losses", runs, data)


def _say(name: str, runs: Path, data: Path | None = None) -> None:
    from nmt_prune.evaluation import analyses

    text, path = analyses.analyse(name, runs, data)
    typer.echo(text)
    typer.echo(path)
