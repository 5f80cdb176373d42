"""Options that several commands share, with the names of the task's flags."""

from pathlib import Path
from typing import Annotated

import typer

Sparsity = Annotated[float, typer.Option(help="share of the weights (or groups) to remove, in [0, 1)")]
Saliency = Annotated[str, typer.Option(help="what a weight is worth; see `nmt-prune list`")]
Budget = Annotated[str, typer.Option(help="how many weights survive where; see `nmt-prune list`")]
Group = Annotated[str, typer.Option(help="what is pruned together; see `nmt-prune list`")]
PruneSet = Annotated[str, typer.Option(help="all, or body: no embedding and no output projection")]
MaskControl = Annotated[str, typer.Option(help="none, or a control with the same counts: shuffled, inverted")]
Seed = Annotated[int, typer.Option(help="seed of random masks, controls and resets")]
Extension = Annotated[
    Path | None,
    typer.Option(help="Python file that registers entries of your own, e.g. a saliency"),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table")]
