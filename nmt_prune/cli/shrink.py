"""``nmt-prune shrink``."""

from pathlib import Path
from typing import Annotated

import typer


def shrink(
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint with dead heads or units, masked or stock")],
    out: Annotated[Path, typer.Option(help="checkpoint to write; use it with --user-dir")],
    allow_empty_cross_attention: Annotated[
        bool, typer.Option("--allow-empty-cross-attention", help="let a decoder layer lose sight of the source")
    ] = False,
) -> None:
    """Remove heads and FFN units that a mask has emptied: the same translations from a smaller and faster model."""
    from nmt_prune.checkpoints import Checkpoint, save
    from nmt_prune.checkpoints.weights import parameter_count
    from nmt_prune.checkpoints.widths import WIDTHS, flag, format_widths
    from nmt_prune.shrinking.checkpoint import shrink as convert

    original = Checkpoint.load(checkpoint)
    shrunk = convert(original, allow_empty_cross_attention)
    save(shrunk.state, out)
    for setting, (stack, _, units) in WIDTHS.items():
        before, after = sum(shrunk.before[setting]), sum(shrunk.after[setting])
        typer.echo(f"{stack} {units}: {before:,} -> {after:,} ({format_widths(shrunk.after[setting])})")
    before, after = parameter_count(original), parameter_count(Checkpoint(out, shrunk.state))
    typer.echo(f"parameters: {before:,} -> {after:,}, in fp32 {before * 4e-6:.1f} -> {after * 4e-6:.1f} MB")
    if shrunk.before == shrunk.after:
        typer.echo("nothing to remove: no head and no FFN unit is empty")
    flags = " ".join(f"{flag(setting)} {format_widths(widths)}" for setting, widths in shrunk.after.items())
    arch = shrunk.state["cfg"]["model"]["arch"]
    typer.echo(f"{out}: to train on, give the model flags as before, but --arch {arch} {flags}")
