"""``nmt-prune stability``."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from nmt_prune.cli import options


def stability(
    files: Annotated[list[Path], typer.Argument(help="checkpoints or mask files, one per seed")],
    group: options.Group = "element",
    heat_map: Annotated[Path | None, typer.Option(help="figure of the survivors to write (png or svg)")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Tell whether different seeds keep the same weights, heads or units: Fleiss' kappa, Cochran's Q, Jaccard."""
    from nmt_prune.inspection.known_scope import known_scope
    from nmt_prune.inspection.stability import agreement, survivors
    from nmt_prune.pruning.groups import groups
    from nmt_prune.pruning.settings import PruningSettings

    sources = [PruningSettings(mask_from=str(file)).load_mask_source() for file in files]
    widths = next((checkpoint.head_dim for checkpoint, _ in sources if checkpoint is not None), {})
    built = groups.build(group, head_dim=widths)
    masks = [mask for _, mask in sources]
    known = [known_scope(file, mask, source) for file, (source, mask) in zip(files, sources, strict=True)]
    scope = frozenset().union(*known)
    found = agreement(masks, built, scope)
    if heat_map is not None:
        from nmt_prune.evaluation.reports.figures.heat_map import draw_survivors

        draw_survivors(survivors(masks, built, scope), len(masks), heat_map)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2))
        return
    kept = ", ".join(f"{count:,}" for count in found.kept)
    typer.echo(f"{found.masks} masks of {found.groups:,} groups that could be pruned, of which they keep {kept}")
    typer.echo(f"Jaccard, mean over pairs: {found.jaccard:.4f} (by chance {found.chance:.4f})")
    typer.echo(f"Fleiss' kappa: {found.fleiss_kappa:.4f}")
    if found.cochran_q is None:
        typer.echo("Cochran's Q: not computed, since all masks keep the same number (it is 0 then, whatever they keep)")
    else:
        typer.echo(f"Cochran's Q: {found.cochran_q:.2f} (p = {found.cochran_p:.3g})")
    typer.echo(f"kept by all: {found.super_survivors:,}; kept by none: {found.never:,}")
