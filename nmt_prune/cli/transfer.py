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
    pairs = _pairs(source, from_data), _pairs(onto or source, to_data)
    dictionaries = read_dictionaries(from_data, pairs[0]), read_dictionaries(to_data, pairs[1])
    _check_dictionaries([(source, from_data, "--from-data"), *([(onto, to_data, "--to-data")] if onto else [])])
    if onto is None:
        _fit_masks(source, dictionaries, embedding, out)  # type: ignore[arg-type]
    else:
        _fit_weights(source, onto, dictionaries, embedding, out)  # type: ignore[arg-type]


def _pairs(path: Path, data: Path) -> tuple[str, str]:
    """The languages of a data folder, in the direction of a model that is trained on them."""
    from nmt_prune.text.dictionaries import languages

    source, target = languages(data)
    from nmt_prune.checkpoints import Checkpoint  # imports torch
    from nmt_prune.checkpoints.own_dictionaries import pair
    from nmt_prune.masks.mask_file import SUFFIX

    is_reversed = path.suffix != SUFFIX and pair(Checkpoint.load(path)) == (target, source)
    return (target, source) if is_reversed else (source, target)


def _check_dictionaries(files: list[tuple[Path, Path, str]]) -> None:
    from nmt_prune.checkpoints.own_dictionaries import compare, of_folder, of_source

    for path, data, flag in files:
        matters, known = of_source(path)
        source, target = _pairs(path, data)
        wanted = of_folder(data, {"source_lang": source, "target_lang": target})
        if matters and (remark := compare(path, known, wanted, f"{flag} {data}")):
            options.warn(remark)


def _fit_masks(
    source: Path, dictionaries: "tuple[Dictionaries, Dictionaries]", embedding: "Embedding", out: Path
) -> None:
    from nmt_prune.checkpoints import Checkpoint
    from nmt_prune.checkpoints.own_dictionaries import KEY, digests
    from nmt_prune.checkpoints.weights import existing, zeros
    from nmt_prune.errors import PruneError
    from nmt_prune.files import file_digest
    from nmt_prune.masks import transfer as moving
    from nmt_prune.masks.mask_file import SUFFIX, load_masks, save_masks

    if source.suffix == SUFFIX:
        masks, _ = load_masks(source)
    else:
        checkpoint = Checkpoint.load(source)
        masks = existing(checkpoint)
        if not checkpoint.has_masks and not zeros(checkpoint):
            raise PruneError(f"{source} is dense, and has no mask to fit; give a pruned checkpoint, or a mask file")
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
