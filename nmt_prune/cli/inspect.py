"""``nmt-prune inspect`` and ``nmt-prune compare``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from nmt_prune.cli import options
from nmt_prune.cli.tables import print_table

NOTHING = "–"

File = Annotated[Path, typer.Argument(help="fairseq Transformer checkpoint (masked or stock) or mask file")]


def inspect(file: File, as_json: options.AsJson = False) -> None:
    """Show sparsity per matrix and in total, dead rows, heads and sublayers, and sizes."""
    from nmt_prune.inspection import description

    found = description.inspect(file)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    rows = [
        [
            row["name"] + (" (tied)" if row["aliases"] else ""),
            "x".join(map(str, row["shape"])),
            f"{row['kept']:,}",
            f"{row['sparsity']:.4f}",
            str(row["dead_rows"]),
            str(row["dead_columns"]),
            "" if row["largest"] is None else f"{row['largest']:.3g}",
        ]
        for row in found["matrices"]
    ]
    print_table(["matrix", "shape", "kept", "sparsity", "dead rows", "dead columns", "max |w|"], rows)
    for sublayer in found["sublayers"]:
        if sublayer["dead_units"] or sublayer["is_dead"]:
            kind = "units" if sublayer["name"].endswith("ffn") else "heads"
            units = "" if sublayer["units"] is None else f"{sublayer['dead_units']} of {sublayer['units']} {kind} dead"
            typer.echo(f"{sublayer['name']}: {'dead' if sublayer['is_dead'] else units}")
    typer.echo("sparsity: " + ", ".join(f"{name} {share:.4f}" for name, share in found["sparsity"].items()))
    if "megabytes" in found:
        sizes = found["megabytes"]
        typer.echo(
            f"MB: file {sizes['file']:.1f}; weights in fp32 dense {sizes['dense']:.1f}, as CSC {sizes['csc']:.1f},"
            f" as bitmask and values {sizes['bitmask']:.1f}; in the bits of its quantization, with an index,"
            f" {sizes['stored']:.1f}"
        )
    typer.echo(f"counted from: {found['source']}")


def compare(first: File, second: File, as_json: options.AsJson = False) -> None:
    """Compare two masks: overlap against chance, and agreement of signs."""
    from nmt_prune.inspection import description

    found = description.compare(first, second)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    rows = [
        [
            row["name"],
            f"{row['first']:,}",
            f"{row['second']:,}",
            f"{row['both']:,}",
            f"{row['jaccard']:.4f}" if row["counted"] else NOTHING,
            f"{row['chance']:.4f}" if row["counted"] else NOTHING,
            "" if row["sign_agreement"] is None else f"{row['sign_agreement']:.4f}",
        ]
        for row in found
    ]
    print_table(["matrix", "first", "second", "both", "Jaccard", "by chance", "same sign"], rows)
    if not all(row["counted"] for row in found):
        typer.echo(f"{NOTHING}: neither mask prunes the matrix; it is not part of the total")
