"""``nmt-prune export``."""

from pathlib import Path
from typing import Annotated

import typer

from nmt_prune.cli import options
from nmt_prune.cli.strip import strip

export = typer.Typer(no_args_is_help=True, help="Write a model for another program that translates.")
export.command("fairseq")(strip)

Model = Annotated[Path, typer.Argument(help="checkpoint of a Transformer (any), or file of nmt-prune pack")]
Out = Annotated[Path, typer.Option(help="folder to make; an earlier export there is replaced")]
Data = Annotated[
    Path | None,
    typer.Option(
        help="of a checkpoint: data folder with its dictionaries and subword model",
        show_default="that of its training",
    ),
]


@export.command()
def marian(
    model: Model,
    out: Out,
    data: Data = None,
    bpe: options.Bpe = None,
    bpe_codes: options.BpeCodes = None,
    sentencepiece_model: options.SentencepieceModel = None,
    tokenizer: options.Tokenizer = None,
) -> None:
    """Write a folder for Marian, bergamot and browsers, of a post-norm model trained with --marian-positions."""
    from nmt_prune.export.marian import export_marian
    from nmt_prune.runtime.loading import load_model

    with options.warnings_to(options.warn):
        splitting = options.splitting(bpe, bpe_codes, sentencepiece_model, tokenizer)
        export_marian(load_model(model, data, shrunk=True, splitting=splitting), out)
    _say(out, "float32")


@export.command()
def ctranslate2(
    model: Model,
    out: Out,
    quantization: Annotated[
        str,
        typer.Option(help="float32, float16, bfloat16, int8, int8_float32, int8_float16 or int8_bfloat16"),
    ] = "int8",
    data: Data = None,
    bpe: options.Bpe = None,
    bpe_codes: options.BpeCodes = None,
    sentencepiece_model: options.SentencepieceModel = None,
    tokenizer: options.Tokenizer = None,
) -> None:
    """Write a folder for CTranslate2, which computes zeros as well: only what shrink takes out makes it faster."""
    from nmt_prune.export.ctranslate2 import export_ctranslate2
    from nmt_prune.runtime.loading import load_model

    with options.warnings_to(options.warn):
        splitting = options.splitting(bpe, bpe_codes, sentencepiece_model, tokenizer)
        export_ctranslate2(load_model(model, data, shrunk=True, splitting=splitting), out, quantization)
    _say(out, quantization)


def _say(out: Path, weights: str) -> None:
    size = sum(path.stat().st_size for path in out.iterdir())
    typer.echo(f"{out}: {size / 1e6:.2f} MB, weights in {weights}; README.txt says how to translate with it")
