"""``nmt-prune transfer``."""

from pathlib import Path
from typing import Annotated

import typer


def transfer(
    mask: Annotated[Path, typer.Argument(help="mask file, or a checkpoint with masks")],
    from_data: Annotated[Path, typer.Option(help="data folder of the model that the mask was found on")],
    to_data: Annotated[Path, typer.Option(help="data folder that the mask is to be used with")],
    out: Annotated[Path, typer.Option(help="mask file to write (*.safetensors)")],
    embedding: Annotated[
        str, typer.Option(help="match (rows of subwords that both have) or dense (embeddings left out)")
    ] = "match",
) -> None:
    """Fit a mask to another language pair or domain: same layers, other dictionaries (Chen et al. 2020)."""
    from nmt_prune.dictionaries import read_dictionaries
    from nmt_prune.errors import PruneError
    from nmt_prune.files import file_digest
    from nmt_prune.masks import transfer as moving
    from nmt_prune.masks.mask_file import save_masks
    from nmt_prune.settings import PruningSettings

    if embedding not in ("match", "dense"):
        raise PruneError(f"--embedding {embedding} is unknown; choose match or dense")
    _, masks = PruningSettings(mask_from=str(mask)).load_mask_source()
    source, target = read_dictionaries(from_data), read_dictionaries(to_data)
    moved = moving.transfer(masks, source, target, embedding)  # type: ignore[arg-type]
    provenance = {"transferred_from": mask.name, "transferred_from_sha256": file_digest(mask), "embedding": embedding}
    save_masks(moved.masks, out, provenance)
    for prunable in moved.masks.prunables:
        if prunable.name in moved.matched:
            typer.echo(f"{prunable.name}: {moved.matched[prunable.name]:,} of {prunable.shape[0]:,} subwords matched")
    typer.echo(f"{out}: sparsity {moved.masks.sparsity():.6f} (was {masks.sparsity():.6f})")
