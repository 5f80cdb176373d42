"""``nmt-prune analyse``."""

from pathlib import Path
from typing import Annotated

import typer

analyse = typer.Typer(
    no_args_is_help=True,
    help="Look into the runs of a recipe; written to RUNS_DIR/report/analysis, which nmt-prune report includes.",
)
Runs = Annotated[Path, typer.Argument(help="Folder of scored runs: runs/RECIPE.", metavar="RUNS_DIR")]
Data = Annotated[Path | None, typer.Option(help="Data folder; by default as when scored.")]


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
def connectivity(runs: Runs, data: Data = None) -> None:
    """Barriers of the loss between each rung and the next: linear mode connectivity."""
    _say("connectivity", runs, data)


@analyse.command()
def path(
    first: Annotated[Path, typer.Argument(help="Checkpoint.", metavar="FIRST")],
    second: Annotated[Path, typer.Argument(help="Checkpoint of the same architecture.", metavar="SECOND")],
    data: Annotated[Path, typer.Option(help="Folder of the binarized corpus; its validation set is measured.")],
    points: Annotated[int, typer.Option(help="Points to measure, both ends included.")] = 11,
) -> None:
    """Loss on the line from one checkpoint to another, as of two trainings of one ticket."""
    from nmt_prune.measuring.linear_path import linear_path

    found = linear_path(first, second, data, points)
    for step, loss in enumerate(found.losses):
        typer.echo(f"{step / (points - 1):.2f}  {loss:.4f}")
    typer.echo(f"barrier {found.barrier:.4f} nats per target token")


@analyse.command()
def losses(runs: Runs, data: Data = None) -> None:
    """Where BLEU is lost: by length of the sentence and frequency of the word, and how many sentences are won."""
    _say("losses", runs, data)


def _say(name: str, runs: Path, data: Path | None = None) -> None:
    from nmt_prune.evaluation import analyses

    text, path = analyses.analyse(name, runs, data)
    typer.echo(text)
    typer.echo(path)
