"""``nmt-prune search``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmt_prune.cli import options
from nmt_prune.subnetworks.flags import SearchFlags

if TYPE_CHECKING:
    from nmt_prune.subnetworks.journal import Entry


def search(
    checkpoint: Annotated[Path, typer.Argument(help="trained fairseq checkpoint, masked or stock")],
    data: Annotated[Path, typer.Option(help="binarized corpus: importance from its train, stopping on its valid")],
    out: Annotated[Path, typer.Option(help="folder to write; a search that was interrupted goes on")],
    method: Annotated[
        str, typer.Option(help="s: heads and FFN, in three phases; m: single weights")
    ] = SearchFlags.method,
    heads: Annotated[
        str, typer.Option(help="group of heads, e.g. head:empty_cross_attention=true")
    ] = SearchFlags.heads,
    ffn: Annotated[
        str, typer.Option(help="sublayer: one whole FFN per step; unit: its hidden units")
    ] = SearchFlags.ffn,
    saliency: Annotated[
        str | None, typer.Option(help="what is pruned first", show_default="gate importance; with m the magnitude")
    ] = None,
    step: Annotated[
        float, typer.Option(help="share of all heads (units), or of the remaining weights, per step")
    ] = SearchFlags.step,
    keep: Annotated[
        float | None, typer.Option(help="share of the dev score to keep", show_default="0.9, without --drop")
    ] = None,
    drop: Annotated[float | None, typer.Option(help="or the difference in it that is allowed, e.g. 0.5 BLEU")] = None,
    score: Annotated[str, typer.Option(help="dev score: bleu, or loss in nats per token")] = SearchFlags.score,
    beam: Annotated[int, typer.Option(min=1, help="beam size of dev BLEU; 1 is greedy")] = SearchFlags.beam,
    lenpen: Annotated[float, typer.Option(help="length penalty of dev BLEU")] = SearchFlags.lenpen,
    remove_bpe: Annotated[
        str | None, typer.Option(help="subwords to join, as fairseq calls them", show_default="the dictionary's")
    ] = None,
    tokenize: options.Tokenize = None,
    seed: options.Seed = SearchFlags.seed,
    calibration_batches: options.CalibrationBatches = SearchFlags.calibration_batches,
    extension: options.Extension = None,
) -> None:
    """Prune a trained model step by step until its dev score falls: good, random and bad subnetworks of equal size.

    The subnetworks are mask files for --mask-from, ticket, compare and stability; OUT/steps.txt is the table of steps.
    """
    from rich.console import Console

    from nmt_prune.checkpoints import Checkpoint
    from nmt_prune.registry import load_extensions
    from nmt_prune.subnetworks.search import SearchSettings, find_subnetworks

    load_extensions(extension)
    settings = SearchSettings(
        method=method,  # type: ignore[arg-type]
        heads=heads,
        ffn=ffn,
        saliency=saliency,
        step=step,
        keep=keep,
        drop=drop,
        score=score,  # type: ignore[arg-type]
        beam=beam,
        lenpen=lenpen,
        remove_bpe=remove_bpe,
        tokenize=tokenize,
        seed=seed,
        calibration_batches=calibration_batches,
    )
    trained = Checkpoint.load(checkpoint)
    from nmt_prune.measuring.dev_set import load_dev_set  # imports fairseq, which takes seconds

    console = Console(stderr=True)
    with options.quiet_fairseq(), console.status("scoring the model before the search") as status:
        with options.warnings_to(options.warn):
            dev = load_dev_set(checkpoint, data, settings)

        def tell(entry: "Entry") -> None:
            left = ", ".join(f"{count:,} {kind}" for kind, count in entry.left.items())
            outcome = "" if entry.passed else ": too bad"
            console.print(f"{entry.phase}: dev {score} {entry.score:.4f}{outcome}; {left}", soft_wrap=True)
            status.update(f"after {entry.phase}, dev {score} {entry.score:.4f}")

        measure = dev.loss if settings.score == "loss" else dev.bleu
        journal = find_subnetworks(trained, dev.evidence, measure, settings, out, tell, data.resolve().name)
    typer.echo(journal.table())
    for entry in journal.subnetworks:
        typer.echo(out / f"{entry.phase}.safetensors")
