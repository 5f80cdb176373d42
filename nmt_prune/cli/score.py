"""``nmt-prune score``: translates with a checkpoint and scores it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmt_prune.cli import options

if TYPE_CHECKING:
    from nmt_prune.evaluation.records.costs import Exports


def score(
    checkpoint: Annotated[Path, typer.Option(help="Checkpoint of a fairseq translation model.")],
    data: Annotated[Path, typer.Option(help="Data folder, as for fairseq-train.")],
    out: Annotated[Path, typer.Option(help="Scores file to write; hypotheses go beside it.")] = Path("scores.json"),
    subset: Annotated[str, typer.Option(help="What to translate: valid, test, ...")] = "test",
    reference: Annotated[
        Path | None, typer.Option(help="Detokenized reference; by default DATA/raw/SUBSET.TARGET.")
    ] = None,
    valid: Annotated[bool, typer.Option("--valid", help="Translate the validation set for the dev BLEU, too.")] = False,
    beam: Annotated[int, typer.Option(min=1, help="Beam size.")] = 5,
    lenpen: Annotated[float, typer.Option(help="Length penalty; above 1 favours longer sentences.")] = 1.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens of a batch.")] = 4000,
    remove_bpe: Annotated[
        str | None,
        typer.Option(help="Subwords to join, as fairseq-generate calls them.", show_default="the dictionary's"),
    ] = None,
    tokenize: options.Tokenize = None,
    bpe: options.Bpe = None,
    bpe_codes: options.BpeCodes = None,
    sentencepiece_model: options.SentencepieceModel = None,
    tokenizer: options.Tokenizer = None,
    cpu: Annotated[bool, typer.Option("--cpu", help="Stay off the GPU.")] = False,
    generate_flags: Annotated[
        list[str] | None, typer.Argument(help="After --, further flags of fairseq-generate.")
    ] = None,
) -> None:
    """Translate with a checkpoint and score it: BLEU, chrF and TER by sacreBLEU, and its measured sparsity.

    Without --valid, dev BLEU is what the training noted in the checkpoint, if it validated by BLEU.
    """
    from nmt_prune.evaluation.quality.subset import Subset
    from nmt_prune.evaluation.quality.translation import Decoding
    from nmt_prune.evaluation.scoring import score_checkpoint

    splitting = options.splitting(bpe, bpe_codes, sentencepiece_model, tokenizer)
    decoding = Decoding(beam, lenpen, max_tokens, remove_bpe, cpu, tuple(generate_flags or ()), splitting)
    chosen = Subset.find(data, subset, reference, tokenize)
    dev = Subset.find(data, "valid", tokenize=tokenize) if valid else None
    with options.warnings_to(options.warn):
        record = score_checkpoint(checkpoint, chosen, decoding, out, dev)
    typer.echo(f"BLEU {record.bleu:.2f}  chrF {record.chrf:.2f}  TER {record.ter:.2f}  {record.signatures['bleu']}")
    for name, numbers in ((record.subset, record.left_out), ("valid", record.dev_left_out)):
        if numbers:
            lines = f"line{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))} of {name}"
            typer.echo(f"too long for the model, and scored with an empty hypothesis: {lines}", err=True)
    typer.echo(f"sparsity {record.sparsity['prunable']:.2%} of the prunable weights; {out}")
    if costs := record.costs:
        time = "" if costs.cpu_ratio is None else f"; CPU time {costs.cpu_ratio:.2f} of the dense model's"
        measured = "" if costs.cpu or not time else " (nothing is taken out)"
        size = f"{costs.bytes_used / 1e6:.2f} MB in memory"
        typer.echo(f"shrunk: {size}{time}{measured}")
        _print_exports(costs.exports)


def _print_exports(exports: "Exports | None") -> None:
    if exports is None:
        return
    if disk := exports.disk:
        sizes = (
            f"{disk.packed / 1e6:.2f} MB, {disk.packed_int8 / 1e6:.2f} in int8; {disk.csc_deflated / 1e6:.2f} as CSC"
        )
        typer.echo(f"packed: {sizes}, deflated")
    found = {"packed": exports.bleu.packed, "packed in int8": exports.bleu.packed_int8}
    found["CTranslate2 int8"] = exports.bleu.ctranslate2_int8
    if measured := [f"{name} {bleu:.2f}" for name, bleu in found.items() if bleu is not None]:
        typer.echo(f"BLEU elsewhere: {', '.join(measured)}")
    for note in exports.notes:
        typer.echo(f"note: {note}")
