"""``nmt-prune quantize``."""

from pathlib import Path
from typing import Annotated

import typer

from nmt_prune.cli import options

CALIBRATION_BATCHES = 16


def quantize(
    checkpoint: Annotated[Path, typer.Argument(help="trained checkpoint, with or without --quantizer")],
    out: Annotated[Path, typer.Option(help="checkpoint to write; use it with --user-dir")],
    quantizer: Annotated[str | None, typer.Option(help="by default that of its training; see `nmt-prune list`")] = None,
    data: Annotated[
        Path | None, typer.Option(help="binarized corpus whose training subset gives the ranges of activations")
    ] = None,
    calibration_batches: options.CalibrationBatches = CALIBRATION_BATCHES,
    seed: options.Seed = 1,
    extension: options.Extension = None,
) -> None:
    """Quantize weights and activations: the model that a quantization-aware training validated, or a calibrated one."""
    from nmt_prune.checkpoints import Checkpoint, save
    from nmt_prune.errors import PruneError
    from nmt_prune.pruning.quantization.conversion import quantize as convert
    from nmt_prune.pruning.quantization.size import quantized_bytes
    from nmt_prune.registry import load_extensions

    for flag, given in (("calibration-batches", calibration_batches != CALIBRATION_BATCHES), ("seed", seed != 1)):
        if given and data is None:
            raise PruneError(f"--{flag} does nothing without --data, which ranges are measured on; leave it out")
    load_extensions(extension)
    original = Checkpoint.load(checkpoint)
    with options.warnings_to(options.warn):
        state = convert(original, quantizer, options.evidence(checkpoint, data, calibration_batches, seed))
    save(state, out)
    before, after = quantized_bytes(original), quantized_bytes(Checkpoint(out, state))
    typer.echo(f"{out}: weights {before / 1e6:.2f} -> {after / 1e6:.2f} MB if stored in their bits, with an index")
