"""``nmt-prune data``: makes a data folder for fairseq-train."""

from pathlib import Path
from typing import Annotated

import typer


def data(
    corpus: Annotated[str, typer.Argument(help="libreoffice-help, numbers or plain (your own files).")],
    out: Annotated[Path | None, typer.Option(help="Folder to make; else data-bin/CORPUS.SOURCE-TARGET.")] = None,
    source: Annotated[str, typer.Option(help="Source language.")] = "en",
    target: Annotated[str, typer.Option(help="Target language.")] = "de",
    vocab_size: Annotated[int | None, typer.Option(help="Entries of the joined dictionary.")] = None,
    model_type: Annotated[str | None, typer.Option(help="SentencePiece model: unigram or bpe.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Longest sentence in subwords; 0 is no limit.")] = None,
    valid_size: Annotated[int | None, typer.Option(help="Pairs for validation.")] = None,
    test_size: Annotated[int | None, typer.Option(help="Pairs for testing.")] = None,
    seed: Annotated[int | None, typer.Option(help="Which text is held out, or which numbers are made.")] = None,
    size: Annotated[int | None, typer.Option(help="numbers: training pairs.")] = None,
    train: Annotated[str | None, typer.Option(help="plain: PREFIX of PREFIX.en and PREFIX.de.")] = None,
    valid: Annotated[str | None, typer.Option(help="plain: PREFIX of the validation files.")] = None,
    test: Annotated[str | None, typer.Option(help="plain: PREFIX of the test files.")] = None,
    cache: Annotated[Path, typer.Option(help="Folder that keeps downloads.")] = Path("data"),
    force: Annotated[bool, typer.Option("--force", help="Make the folder anew.")] = False,
) -> None:
    """Fetch or make a corpus, split it, segment it into subwords and binarize it.

    The finished folder holds fairseq's binary files, sentencepiece.model, raw/ (the same sentences as text) and
    manifest.json. Running the command again with the same settings does nothing.
    """
    from data_prep.corpora import choose
    from data_prep.preparation import Preparation, prepare

    chosen = choose(corpus, source=source, target=target, seed=seed, size=size, train=train, valid=valid, test=test)
    preparation = Preparation.of(
        chosen,
        vocab_size=vocab_size,
        model_type=model_type,
        max_length=max_length,
        valid_size=valid_size,
        test_size=test_size,
    )
    folder = out or Path("data-bin") / f"{corpus}.{source}-{target}"
    prepare(chosen, preparation, folder, cache=cache, force=force, report=lambda line: typer.echo(line, err=True))
