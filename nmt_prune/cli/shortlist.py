"""``nmt-prune shortlist``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from nmt_prune.cli import options


def shortlist(
    model: Annotated[Path, typer.Argument(help="compact model, or fairseq checkpoint")],
    out: Annotated[
        Path, typer.Option(help="the model with its shortlist (*.nmt), or the shortlist as text, for pack --shortlist")
    ],
    data: Annotated[
        Path | None, typer.Option(help="data folder whose training subset is aligned", show_default="the training's")
    ] = None,
    source: Annotated[
        Path | None, typer.Option(help="instead of a data folder: source text, a sentence a line")
    ] = None,
    target: Annotated[Path | None, typer.Option(help="its translation, line by line")] = None,
    translations: Annotated[int, typer.Option(min=0, help="candidates of each source subword, the likeliest")] = 50,
    frequent: Annotated[int, typer.Option(min=1, help="candidates of every sentence, the most frequent")] = 50,
    sentences: Annotated[int, typer.Option(min=1, help="pairs that are aligned at most, evenly spaced")] = 500_000,
) -> None:
    """List the target subwords that translations of each source subword are made of, so that decoding is faster.

    Subwords of training text are aligned by IBM model 1 (Brown et al. 1993). A batch is then translated with the
    candidates of its subwords alone: nmt-prune translate --shortlist.
    """
    from nmt_prune.errors import PruneError
    from nmt_prune.runtime.loading import is_compact, load_model
    from nmt_prune.shortlisting.corpus import from_folder, from_texts, training_folder
    from nmt_prune.shortlisting.shortlist import make_shortlist
    from nmt_prune.storage.format.compact_file import save_compact
    from nmt_prune.storage.model.vocabulary_map import write_map

    if (source is None) != (target is None):
        raise PruneError("--source and --target belong together; give both texts, or --data")
    if source is not None and data is not None and is_compact(model):
        raise PruneError("give --data or the texts --source and --target, not both")
    with options.warnings_to(options.warn):
        found = load_model(model, None if is_compact(model) else data)
    if source is not None and target is not None:
        sides = from_texts(source, target, found, sentences)
    else:
        with options.quiet_fairseq():
            sides = from_folder(data or training_folder(found), found, sentences)
    made = make_shortlist(found, sides, translations, frequent, lambda line: typer.echo(line, err=True))
    if out.suffix == ".nmt":
        save_compact(replace(found, shortlist=made), out)
    else:
        write_map(made, found.source, found.target, out)
    typer.echo(f"{out}: {len(made.candidates):,} candidates of {len(found.source):,} subwords")
