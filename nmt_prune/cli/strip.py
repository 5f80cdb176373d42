"""``nmt-prune strip`` and ``nmt-prune average``."""

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option(help="checkpoint to write")]


def strip(
    checkpoint: Annotated[Path, typer.Argument(help="masked checkpoint")],
    out: Out,
    keep_optimizer: Annotated[bool, typer.Option(help="keep optimizer state and counters, to train on")] = False,
) -> None:
    """Write a stock fairseq checkpoint, which loads without the plugin."""
    from nmt_prune.checkpoints import Checkpoint, save
    from nmt_prune.conversion import strip as convert

    save(convert(Checkpoint.load(checkpoint), keep_optimizer), out)
    typer.echo(f"{out}: stock transformer")


def average(
    checkpoints: Annotated[list[Path], typer.Argument(help="checkpoints with the same masks")],
    out: Out,
    largest: Annotated[float, typer.Option(help="refuse weights above this magnitude")] = 100.0,
) -> None:
    """Average checkpoints that have the same masks."""
    from nmt_prune.averaging import average as mean
    from nmt_prune.checkpoints import Checkpoint, save

    save(mean([Checkpoint.load(path) for path in checkpoints], largest), out)
    typer.echo(f"{out}: average of {len(checkpoints)} checkpoints")
