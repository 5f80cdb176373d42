"""``nmt-prune pack`` and ``nmt-prune unpack``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from nmt_prune.cli import options


def pack(
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint of a Transformer: stock, masked, shrunk or quantized")],
    out: Annotated[Path, typer.Option(help="file to write (*.nmt)")],
    values: Annotated[
        str,
        typer.Option(
            help="kept weights as float32 (lossless), float16, bfloat16, int8, or auto: float16 where it fits"
        ),
    ] = "float32",
    data: Annotated[
        Path | None,
        typer.Option(help="data folder with its dictionaries and subword model", show_default="that of its training"),
    ] = None,
    bpe: options.Bpe = None,
    bpe_codes: options.BpeCodes = None,
    sentencepiece_model: options.SentencepieceModel = None,
    tokenizer: options.Tokenizer = None,
    shortlist: Annotated[Path | None, typer.Option(help="shortlist of nmt-prune shortlist, as text, to put in")] = None,
    deflated: Annotated[
        bool, typer.Option("--deflated", help="also measure the matrices in numpy.savez_compressed; takes a while")
    ] = False,
) -> None:
    """Write a model into one small file that holds all that translating needs; float32 loses not a bit."""
    from nmt_prune.checkpoints import Checkpoint
    from nmt_prune.cli.tables import print_table
    from nmt_prune.files import atomic_path
    from nmt_prune.profiling.family_sizes import family_sizes
    from nmt_prune.storage.checkpoints.from_checkpoint import compact_model
    from nmt_prune.storage.format.compact_file import load_compact, save_compact
    from nmt_prune.storage.model.vocabulary_map import read_map

    splitting = options.splitting(bpe, bpe_codes, sentencepiece_model, tokenizer)
    # Read where it is written first: of a pipe nothing can be read again.
    with options.warnings_to(options.warn), atomic_path(out) as temporary:
        model = compact_model(Checkpoint.load(checkpoint), data, values, splitting)
        if shortlist is not None:
            model = replace(model, shortlist=read_map(shortlist, model.source, model.target))
        save_compact(model, temporary)
        model, size = load_compact(temporary), temporary.stat().st_size
    header = ["family", "weights", "kept", "bytes", "x dense fp32", "x raw CSC", "x deflated CSC"]
    rows = [
        [
            family.name,
            f"{family.weights:,}",
            f"{family.kept:,}",
            f"{family.stored:,}",
            *(f"{other / max(family.stored, 1):.2f}" for other in (family.dense, family.csc, family.deflated) if other),
        ]
        for family in family_sizes(model, deflated)
    ]
    print_table(header if deflated else header[:-1], rows)
    typer.echo(f"{out}: {size:,} bytes with dictionaries, subword model and header")


def unpack(
    model: Annotated[Path, typer.Argument(help="file of nmt-prune pack")],
    out: Annotated[Path, typer.Option(help="checkpoint to write; use it with --user-dir")],
) -> None:
    """Write the fairseq checkpoint that a packed model was, masks included, without optimizer state."""
    from nmt_prune.checkpoints import save
    from nmt_prune.storage.checkpoints.to_checkpoint import checkpoint_state
    from nmt_prune.storage.format.compact_file import load_compact

    state = checkpoint_state(load_compact(model), str(model))
    save(state, out)
    typer.echo(f"{out}: {state['cfg']['model'].get('arch') or state['cfg']['model'].get('_name')}")
