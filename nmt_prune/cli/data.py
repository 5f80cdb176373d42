"""``nmt-prune data``: makes a data folder for fairseq-train."""

import os
from pathlib import Path
from typing import Annotated

import typer

from data_prep.download.fetching import DOWNLOADS


def data(
    corpus: Annotated[
        str, typer.Argument(help="wmt14-en-de, wmt14-en-fr, libreoffice-help, numbers or plain (own files).")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder to make.", show_default="in data-bin")] = None,
    source: Annotated[str | None, typer.Option(help="Source language.", show_default="of the corpus")] = None,
    target: Annotated[str | None, typer.Option(help="Target language.", show_default="of the corpus")] = None,
    vocab_size: Annotated[int | None, typer.Option(help="Entries of the joined dictionary.")] = None,
    model_type: Annotated[str | None, typer.Option(help="SentencePiece model: unigram or bpe.")] = None,
    sample_size: Annotated[int | None, typer.Option(help="Sentences that subwords are trained on; 0 is all.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Longest sentence in subwords; 0 is no limit.")] = None,
    max_ratio: Annotated[
        float | None, typer.Option(help="Most subwords of a side per one of the other; 0: any.")
    ] = None,
    clean: Annotated[
        bool | None, typer.Option("--clean/--no-clean", help="Normalise and filter training text.")
    ] = None,
    identify_languages: Annotated[bool, typer.Option(help="Leave out sentences in other languages.")] = False,
    valid_size: Annotated[
        int | None, typer.Option(help="Pairs for validation, where the corpus makes its own.")
    ] = None,
    test_size: Annotated[int | None, typer.Option(help="Pairs for testing, likewise.")] = None,
    seed: Annotated[int | None, typer.Option(help="Which text is held out, or which numbers are made.")] = None,
    size: Annotated[int | None, typer.Option(help="numbers: training pairs.")] = None,
    train: Annotated[str | None, typer.Option(help="plain: PREFIX of PREFIX.en and PREFIX.de.")] = None,
    valid: Annotated[str | None, typer.Option(help="plain: PREFIX of the validation files.")] = None,
    test: Annotated[str | None, typer.Option(help="plain: PREFIX of the test files.")] = None,
    corpora: Annotated[str | None, typer.Option(help="wmt14: some of its corpora, separated by commas.")] = None,
    archives: Annotated[str | None, typer.Option(help="wmt14: a table of archives instead of the shipped one.")] = None,
    mirror: Annotated[
        list[str] | None, typer.Option(help="wmt14: address that is tried before the original; repeatable.")
    ] = None,
    downloads: Annotated[
        int | None, typer.Option(min=1, help="wmt14: downloads at once.", show_default=str(DOWNLOADS))
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Use only what the cache holds.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: as many as cores.")] = 0,
    cache: Annotated[Path, typer.Option(help="Folder that keeps downloads and cleaned text.")] = Path("data"),
    force: Annotated[bool, typer.Option("--force", help="Make the folder anew.")] = False,
) -> None:
    """Fetch or make a corpus, clean and split it, segment it into subwords and binarize it.

    The finished folder holds fairseq's binary files, sentencepiece.model, raw/ (the held-out sentences as text) and
    manifest.json. Killed anywhere, the same command goes on; with the same settings it does nothing again.
    """
    from data_prep.corpora import choose
    from data_prep.data_folder import prepare
    from data_prep.download.fetching import Fetching
    from data_prep.preparation import Preparation
    from nmt_prune.errors import PruneError

    own = {"train": train, "valid": valid, "test": test, "corpora": corpora, "archives": archives}
    sizes = {"size": size, "valid_size": valid_size, "test_size": test_size}
    chosen = choose(corpus, source=source, target=target, seed=seed, **sizes, **own)
    preparation = Preparation.of(
        chosen,
        vocab_size=vocab_size,
        model_type=model_type,
        sample_size=sample_size,
        max_length=max_length,
        max_ratio=max_ratio,
        clean=clean,
        identify_languages=identify_languages,
    )
    for flag, given in (("mirror", mirror), ("downloads", downloads)):
        if given and not chosen.has_mirrors:
            raise PruneError(f"--{flag} does nothing for {corpus}, which has no archives to download; leave it out")
    folder = out or Path("data-bin") / chosen.folder_name(corpus)
    fetching = Fetching(
        cache,
        lambda line: typer.echo(line, err=True),
        mirrors=tuple(mirror or ()),
        offline=offline,
        downloads=downloads or DOWNLOADS,
    )
    prepare(chosen, preparation, folder, fetching=fetching, workers=workers or os.cpu_count() or 1, force=force)
