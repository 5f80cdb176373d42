"""Options that several commands share, with the names of the task's flags."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nmt_prune.saliency import Evidence

Sparsity = Annotated[float, typer.Option(help="share of the weights (or groups) to remove, in [0, 1)")]
Saliency = Annotated[str, typer.Option(help="what a weight is worth; see `nmt-prune list`")]
Data = Annotated[
    Path | None, typer.Option(help="binarized corpus whose training subset saliencies such as taylor are measured on")
]
CalibrationBatches = Annotated[int, typer.Option(help="mini-batches of it to measure on")]
Budget = Annotated[str, typer.Option(help="how many weights survive where; see `nmt-prune list`")]
Group = Annotated[str, typer.Option(help="what is pruned together; see `nmt-prune list`")]
PruneSet = Annotated[str, typer.Option(help="all, or body: no embedding and no output projection")]
MaskControl = Annotated[str, typer.Option(help="none, or a control with the same counts: shuffled, inverted")]
Seed = Annotated[int, typer.Option(help="seed of random masks, controls, resets and calibration batches")]
Extension = Annotated[
    list[Path] | None,
    typer.Option(help="Python file that registers entries of your own, e.g. a saliency; repeatable"),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table")]


def evidence(checkpoint: Path, data: Path | None, calibration_batches: int, seed: int) -> "Evidence | None":
    """What saliencies are measured on; None without ``data``."""
    if data is None:
        return None
    from nmt_prune.tasks.evidence import checkpoint_evidence  # imports fairseq, which takes seconds

    return checkpoint_evidence(checkpoint, data, calibration_batches, seed)
