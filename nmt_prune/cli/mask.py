"""``nmt-prune mask``."""

from pathlib import Path
from typing import Annotated

import typer

from nmt_prune.cli import options
from nmt_prune.pruning.flags import PruningFlags


def mask(
    checkpoint: Annotated[Path, typer.Argument(help="trained fairseq checkpoint, masked or stock")],
    sparsity: options.Sparsity,
    out: Annotated[Path, typer.Option(help="mask file to write (*.safetensors)")],
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
    """Compute a mask from a checkpoint; what the checkpoint has pruned stays pruned."""
    from nmt_prune.errors import PruneError
    from nmt_prune.masks.mask_file import save_masks
    from nmt_prune.pruning.settings import PruningSettings
    from nmt_prune.registry import load_extensions

    load_extensions(extension)
    settings = PruningSettings(
        mask_from=str(checkpoint),
        saliency=saliency,
        budget=budget,
        group=group,
        sparsity=sparsity,
        mask_control=mask_control,
        counts_from=None if counts_from is None else str(counts_from),
        prune_set=prune_set,  # type: ignore[arg-type]
        seed=seed,
        calibration_batches=calibration_batches,
    )
    options.refuse_unused(settings, data)
    with options.warnings_to(options.warn):
        trained, alive = settings.load_mask_source()
    if trained is None:
        raise PruneError(f"{checkpoint} is a mask file, which has no weights to prune; give a checkpoint")
    masks, facts = settings.find_masks(trained, alive, options.evidence(checkpoint, data, calibration_batches, seed))
    save_masks(masks, out, {**settings.provenance(trained), **facts})
    kept, size = (sum(counts) for counts in zip(*((masks.kept(p), p.size) for p in masks.prunables), strict=True))
    typer.echo(f"{out}: {kept:,} of {size:,} weights in {len(masks)} matrices survive, sparsity {masks.sparsity():.6f}")
