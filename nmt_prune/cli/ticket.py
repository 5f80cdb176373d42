"""``nmt-prune ticket``."""

from pathlib import Path
from typing import Annotated

import typer

from nmt_prune.cli import options
from nmt_prune.pruning.flags import PruningFlags


def ticket(
    mask_from: Annotated[Path, typer.Option(help="trained checkpoint to prune, or a mask file")],
    out: Annotated[Path, typer.Option(help="checkpoint to write; train with --restore-file")],
    rewind_from: Annotated[Path | None, typer.Option(help="rewind point that weights or clock go back to")] = None,
    sparsity: Annotated[float | None, typer.Option(help="in [0, 1); default: that of --mask-from")] = None,
    reset: Annotated[str, typer.Option(help="what survivors become; see `nmt-prune list`")] = PruningFlags.reset,
    clock: Annotated[str, typer.Option(help="update number to start at: restart, rewind, keep")] = PruningFlags.clock,
    saliency: options.Saliency = PruningFlags.saliency,
    budget: options.Budget = PruningFlags.budget,
    group: options.Group = PruningFlags.group,
    prune_set: options.PruneSet = PruningFlags.prune_set,
    mask_control: options.MaskControl = PruningFlags.mask_control,
    counts_from: options.CountsFrom = None,
    seed: options.Seed = PruningFlags.seed,
    data: options.Data = None,
    calibration_batches: options.CalibrationBatches = PruningFlags.calibration_batches,
    extension: options.Extension = None,
) -> None:
    """Write the reset checkpoint of a lottery ticket, as the task does at the start of a training."""
    from nmt_prune.checkpoints import save
    from nmt_prune.pruning.settings import PruningSettings
    from nmt_prune.registry import load_extensions

    load_extensions(extension)
    settings = PruningSettings(
        mask_from=str(mask_from),
        rewind_from=None if rewind_from is None else str(rewind_from),
        saliency=saliency,
        budget=budget,
        group=group,
        sparsity=sparsity,
        mask_control=mask_control,
        counts_from=None if counts_from is None else str(counts_from),
        reset=reset,
        clock=clock,
        prune_set=prune_set,  # type: ignore[arg-type]
        seed=seed,
        calibration_batches=calibration_batches,
    )
    options.refuse_unused(settings, data)
    checkpoint = rewind_from if rewind_from and settings.mask_is_file else mask_from
    with options.warnings_to(options.warn):
        state, facts = settings.ticket(options.evidence(checkpoint, data, calibration_batches, seed))
    save(state, out)
    typer.echo(f"{out}: {reset} ticket of {mask_from}, masks {facts['masks'][:12]}")
