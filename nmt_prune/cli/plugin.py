"""``nmt-prune user-dir`` and ``nmt-prune list``."""

from pathlib import Path

import typer

from nmt_prune.cli import options


def user_dir() -> None:
    """Print the path for fairseq's --user-dir."""
    typer.echo(Path(__file__).resolve().parents[1])


def list_entries(extension: options.Extension = None) -> None:
    """List techniques and the entries of all registries with their settings."""
    from nmt_prune.budgets import budgets
    from nmt_prune.groups import groups
    from nmt_prune.quantization import quantizers
    from nmt_prune.registry import load_extensions
    from nmt_prune.regularisers import regularisers
    from nmt_prune.resets import resets
    from nmt_prune.saliency import saliencies
    from nmt_prune.schedules import schedules
    from nmt_prune.techniques import techniques

    load_extensions(extension)
    typer.echo("technique:")
    for name, technique in techniques.items():
        typer.echo(f"  {name:<26} {technique.summary}{' (a control)' if technique.is_control else ''}")
    for registry in (saliencies, budgets, groups, schedules, resets, regularisers, quantizers):
        typer.echo(f"{registry.kind}:")
        for name, entry in registry.entries().items():
            settings = ",".join(f"{key}={value}" for key, value in registry.settings(name).items())
            summary = (entry.__doc__ or "").strip().split("\n")[0]
            typer.echo(f"  {name:<14} {summary}" + (f" [{settings}]" if settings else ""))
