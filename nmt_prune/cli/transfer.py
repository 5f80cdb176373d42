"""``nmt-prune transfer``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmt_prune.cli import options

if TYPE_CHECKING:
    from nmt_prune.masks.transfer import Dictionaries, Embedding


def transfer(
    source: Annotated[
        Path, typer.Argument(help="mask file, or a checkpoint with masks; with --onto a checkpoint", metavar="MASK")
    ],
    from_data: Annotated[Path, typer.Option(help="data folder of the model that the mask was found on")],
    to_data: Annotated[Path, typer.Option(help="data folder that the mask is to be used with")],
    out: Annotated[Path, typer.Option(help="mask file to write (*.safetensors); with --onto a checkpoint")],
    embedding: Annotated[
        str, typer.Option(help="match (rows of subwords that both have) or dense (embeddings left out)")
    ] = "match",
    onto: Annotated[
        Path | None,
        typer.Option(help="fit the weights, not the mask: into this checkpoint of TO_DATA, which keeps other subwords"),
    ] = None,
) -> None:
    """Fit a mask, or weights, to another language pair or domain: same layers, other dictionaries (Chen 2020)."""
    from nmt_prune.errors import PruneError
    from nmt_prune.text.dictionaries import read_dictionaries

    if embedding not in ("match", "dense"):
        raise PruneError(f"--embedding {embedding} is unknown; choose match or dense")
    dictionaries = read_dictionaries(from_data), read_dictionaries(to_data)
    _check_dictionaries([(source, from_data, "--from-data"), *([(onto, to_data, "--to-data")] if onto else [])])
    if onto is None:
        _fit_masks(source, dictionaries, embedding, out)  # type: ignore[arg-type]
    else:
        _fit_weights(source, onto, dictionaries, embedding, out)  # type: ignore[arg-type]


def _check_dictionaries(files: list[tuple[Path, Path, str]]) -> None:
    from nmt_prune.checkpoints.own_dictionaries import compare, of_folder, of_source

    for path, data, flag in files:
        matters, known = of_source(path)
        if matters and (remark := compare(path, known, of_folder(data, {}), f"{flag} {data}")):
            options.warn(remark)


def _fit_masks(
    source: Path, dictionaries: "tuple[Dictionaries, Dictionaries]", embedding: "Embedding", out: Path
) -> None:
    from nmt_prune.checkpoints.own_dictionaries import KEY, digests
    from nmt_prune.files import file_digest
    from nmt_prune.masks import transfer as moving
    from nmt_prune.masks.mask_file import save_masks
    from nmt_prune.pruning.settings import PruningSettings

    _, masks = PruningSettings(mask_from=str(source)).load_mask_source()
    moved = moving.transfer(masks, *dictionaries, embedding)
    provenance = {
        "transferred_from": source.name,
        "transferred_from_sha256": file_digest(source),
        "embedding": embedding,
        KEY: digests(*(dictionaries[1][stack] for stack in ("encoder", "decoder"))),
    }
    save_masks(moved.masks, out, provenance)
    for prunable in moved.masks.prunables:
        if prunable.name in moved.matched:
            typer.echo(f"{prunable.name}: {moved.matched[prunable.name]:,} of {prunable.shape[0]:,} subwords matched")
    typer.echo(f"{out}: sparsity {moved.masks.sparsity():.6f} (was {masks.sparsity():.6f})")


def _fit_weights(
    parent: Path, onto: Path, dictionaries: "tuple[Dictionaries, Dictionaries]", embedding: "Embedding", out: Path
) -> None:
    from nmt_prune.checkpoints import Checkpoint, save
    from nmt_prune.checkpoints.stock import restarted
    from nmt_prune.masks.transfer import transfer_weights

    point = Checkpoint.load(onto)
    weights, matched = transfer_weights(Checkpoint.load(parent).model, point.model, *dictionaries, embedding)
    save(restarted(point, weights), out)
    for name, count in matched.items():
        typer.echo(f"{name}: {count:,} of {weights[name].shape[0]:,} subwords matched")
    typer.echo(f"{out}: weights of {parent}")
