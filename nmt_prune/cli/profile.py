"""``nmt-prune profile``."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nmt_prune.cli import options

if TYPE_CHECKING:
    from nmt_prune.profiling.kernel_times import Times
    from nmt_prune.profiling.matrix_sizes import MatrixSize


def profile(
    model: Annotated[Path, typer.Argument(help="checkpoint of a Transformer (any), or file of nmt-prune pack")],
    data: Annotated[
        Path | None,
        typer.Option(help="of a checkpoint: data folder with its dictionaries", show_default="that of its training"),
    ] = None,
    values: Annotated[
        str | None, typer.Option(help="convert kept weights, as pack does", show_default="as they are")
    ] = None,
    rounds: Annotated[int, typer.Option(min=0, help="measurements, of which the median counts; 0: no times")] = 9,
    as_json: options.AsJson = False,
) -> None:
    """Show what each matrix takes in every format, and its time in every kernel on this machine."""
    from nmt_prune.profiling.kernel_times import engine, matrix_times
    from nmt_prune.profiling.matrix_sizes import matrix_sizes
    from nmt_prune.runtime.loading import load_model

    if rounds:
        engine()  # refuses before minutes are spent on sizes
    compact = load_model(model, data, values)
    sizes = matrix_sizes(compact)
    times = matrix_times(compact, rounds) if rounds else {}
    instructions = engine().instruction_set() if rounds else None
    if as_json:
        typer.echo(json.dumps(_record(model, sizes, times, instructions), indent=2))
        return
    _print_sizes(sizes)
    if rounds:
        typer.echo(f"microseconds of CPU time, one thread, {instructions}, median of {rounds}, by tokens and form")
        _print_times(times)


def _record(model: Path, sizes: "list[MatrixSize]", times: "Times", instructions: str | None) -> dict[str, Any]:
    from nmt_prune.profiling.matrix_sizes import total_bytes

    return {
        "model": str(model),
        "matrices": [
            {
                "name": row.name,
                "shape": list(row.shape),
                "kept": row.kept,
                "density": row.density,
                "bytes": dict(row.size),
                "microseconds": times.get(row.name),
            }
            for row in sizes
        ],
        "total": {"bytes": total_bytes(sizes), "microseconds": _total_times(times)},
        "instruction_set": instructions,
    }


def _print_sizes(sizes: "list[MatrixSize]") -> None:
    from nmt_prune.cli.tables import print_table
    from nmt_prune.profiling.matrix_sizes import FORMATS, total_bytes

    rows = [
        [
            row.name.removesuffix(".weight"),
            "x".join(map(str, row.shape)),
            f"{row.kept:,}",
            f"{row.density:.4f}",
            *(f"{row.size[name] / 1e3:,.1f}" if name in row.size else "" for name in FORMATS),
        ]
        for row in sizes
    ]
    kept = sum(row.kept for row in sizes)
    total = total_bytes(sizes)
    rows.append(["total, kB", "", f"{kept:,}", "", *(f"{total[name] / 1e3:,.1f}" for name in FORMATS)])
    print_table(["matrix", "shape", "kept", "density", *FORMATS], rows)


def _print_times(times: "Times") -> None:
    from nmt_prune.cli.tables import print_table
    from nmt_prune.profiling.kernel_times import KERNELS, TOKENS

    named = {**{name.removesuffix(".weight"): found for name, found in times.items()}, "total": _total_times(times)}
    rows = [
        [name, *(f"{found[tokens][kernel]:,.1f}" for tokens in TOKENS for kernel in KERNELS)]
        for name, found in named.items()
    ]
    print_table(["matrix", *(f"{tokens}: {kernel}" for tokens in TOKENS for kernel in KERNELS)], rows)


def _total_times(times: "Times") -> Mapping[int, Mapping[str, float]]:
    from nmt_prune.profiling.kernel_times import KERNELS, TOKENS

    return {
        tokens: {kernel: sum(found[tokens][kernel] for found in times.values()) for kernel in KERNELS}
        for tokens in TOKENS
        if times
    }
