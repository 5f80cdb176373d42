"""``nmt-prune translate``."""

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from nmt_prune.cli import options as shared
from nmt_prune.cli.meter import Meter, open_meter
from nmt_prune.errors import PruneError

if TYPE_CHECKING:
    from nmt_prune.runtime.translator import Translator
    from nmt_prune.storage.model.splitting import Splitting


def translate(
    model: Annotated[Path, typer.Argument(help="compact model, or fairseq checkpoint")],
    input: Annotated[Path | None, typer.Option(help="text, a sentence a line", show_default="stdin")] = None,
    output: Annotated[Path | None, typer.Option(help="file to write", show_default="stdout")] = None,
    prefix: Annotated[Path | None, typer.Option(help="what each translation must begin with, a line each")] = None,
    prefix_size: Annotated[
        int | None, typer.Option(min=1, help="subwords taken of each line of --prefix", show_default="all")
    ] = None,
    beam: Annotated[int, typer.Option(help="hypotheses kept")] = 5,
    nbest: Annotated[int, typer.Option(help="hypotheses printed; if several: NUMBER, SCORE and TEXT, by tabs")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="a JSON object a line, with scores and subwords")] = False,
    print_alignment: Annotated[
        str | None, typer.Option(help="hard or soft: where subwords come from, behind each line", show_default="none")
    ] = None,
    lenpen: Annotated[float, typer.Option(help="length penalty; above 1 favours longer sentences")] = 1.0,
    unkpen: Annotated[float, typer.Option(help="unknown word penalty")] = 0.0,
    unnormalized: Annotated[bool, typer.Option("--unnormalized", help="do not divide scores by length")] = False,
    max_len_a: Annotated[float, typer.Option(help="longest translation: a times source length, plus b")] = 0.0,
    max_len_b: Annotated[int, typer.Option(help="see --max-len-a")] = 200,
    min_len: Annotated[int, typer.Option(help="shortest translation")] = 1,
    no_repeat_ngram_size: Annotated[int, typer.Option(help="no n-gram of this size twice; 0: any")] = 0,
    temperature: Annotated[float, typer.Option(help="divides the logits")] = 1.0,
    sampling: Annotated[
        bool, typer.Option("--sampling", help="draw --beam translations at random, of which the likeliest are printed")
    ] = False,
    sampling_topk: Annotated[int, typer.Option(help="draw each word among so many of the likeliest; 0: all")] = 0,
    sampling_topp: Annotated[
        float, typer.Option(help="draw each word among the likeliest that have this probability; 0: all")
    ] = 0.0,
    seed: Annotated[int | None, typer.Option(help="of what --sampling draws", show_default="1")] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="sentences of a batch", show_default="32 without --max-tokens")
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="tokens of a batch, with padding")] = None,
    buffer_size: Annotated[
        int | None, typer.Option(min=1, help="lines that are read at a time and sorted by length", show_default="1000")
    ] = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", help="answer line by line, as on a terminal; no buffer")
    ] = False,
    threads: Annotated[int, typer.Option(min=1, help="batches translated at the same time")] = 1,
    engine: Annotated[str, typer.Option(help="compiled, torch, or auto: compiled where it was built")] = "auto",
    data: Annotated[
        Path | None, typer.Option(help="of a checkpoint: folder with its dictionaries", show_default="the training's")
    ] = None,
    bpe: shared.Bpe = None,
    bpe_codes: shared.BpeCodes = None,
    sentencepiece_model: shared.SentencepieceModel = None,
    tokenizer: shared.Tokenizer = None,
    shortlist: Annotated[
        bool, typer.Option("--shortlist", help="only words that the model's shortlist has for a batch: faster")
    ] = False,
    cache: Annotated[int, typer.Option(min=0, help="sentences whose translations are remembered, the latest")] = 0,
    values: Annotated[
        str | None,
        typer.Option(help="convert weights, as nmt-prune pack does", show_default="as they are"),
    ] = None,
    progress: Annotated[
        bool | None, typer.Option(help="count sentences on stderr", show_default="on a terminal")
    ] = None,
) -> None:
    """Translate text on a CPU, skipping what was pruned: raw lines in, detokenized lines out, in their order.

    Subwords, and how the text is tokenized, are in the model. An empty line stays empty: an empty translation (--nbest:
    so many, of score 0) with an empty alignment. A line that the model cannot read, being too long, or for which the
    options leave no translation, becomes an empty one (--nbest: no lines, --json: no hypotheses), and one that is not
    UTF-8 is translated as far as it can be read, each with a warning on stderr that gives its number. The hypotheses
    are those of fairseq-generate with the same settings.
    """
    # For torch: each of --threads is one thread.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from nmt_prune.runtime.alignments import check_kind_of_alignment
    from nmt_prune.runtime.batching import BatchSize
    from nmt_prune.runtime.cached import check_cacheable
    from nmt_prune.runtime.settings.search_limits import check_options
    from nmt_prune.runtime.settings.search_options import SearchOptions
    from nmt_prune.runtime.text_streams import as_json as json_line
    from nmt_prune.runtime.text_streams import as_nbest, as_text, read_lines

    options = SearchOptions(
        beam=beam,
        nbest=nbest,
        lenpen=lenpen,
        unkpen=unkpen,
        max_len_a=max_len_a,
        max_len_b=max_len_b,
        min_len=min_len,
        no_repeat_ngram_size=no_repeat_ngram_size,
        normalize_scores=not unnormalized,
        temperature=temperature,
        scores=as_json or nbest > 1,
        sampling=sampling,
        sampling_topk=sampling_topk,
        sampling_topp=sampling_topp,
        seed=seed,
    )
    check_options(options)
    if cache:
        check_cacheable(options)
    check_kind_of_alignment(print_alignment)
    if prefix_size is not None and prefix is None:
        raise PruneError(f"--prefix-size {prefix_size} does nothing without --prefix; give the file")
    if interactive:
        batching = {"--batch-size": batch_size, "--max-tokens": max_tokens, "--buffer-size": buffer_size}
        batching["--threads"] = threads if threads > 1 else None
        for flag, value in batching.items():
            if value is not None:
                raise PruneError(
                    f"{flag} {value} does nothing with --interactive, a line at a time; leave one of them out"
                )
    splitting = shared.splitting(bpe, bpe_codes, sentencepiece_model, tokenizer)
    one_by_one = interactive or (input is None and sys.stdin.isatty())
    size = BatchSize(32 if batch_size is None and max_tokens is None else batch_size, max_tokens)
    write = json_line if as_json else as_nbest if nbest > 1 else as_text
    is_counted = progress if progress is not None else sys.stderr.isatty() and not one_by_one
    with open_meter(is_counted) as meter, _source(input) as lines, _source(prefix) as beginnings, _sink(output) as sink:
        results = _translator(meter, model, engine, threads, values, data, splitting, shortlist, cache).translate_lines(
            read_lines(lines, meter.warn, "standard input" if input is None else str(input)),
            options,
            prefixes=None if prefix is None else read_lines(beginnings, meter.warn, str(prefix), f"{prefix}, line"),
            prefix_size=prefix_size,
            batch_size=size,
            buffer_size=1 if one_by_one else buffer_size or 1000,
            return_attention=print_alignment is not None,
        )
        for number, result in enumerate(results):
            if result.problem:
                meter.warn(f"line {number + 1} is not translated: {result.problem}")
            sink.write(write(number, result, print_alignment).encode("utf-8"))
            meter.advance()
            if one_by_one:
                sink.flush()
        sink.flush()


def _translator(
    meter: Meter,
    model: Path,
    engine: str,
    threads: int,
    values: str | None,
    data: Path | None,
    splitting: "Splitting",
    shortlist: bool,
    cache: int,
) -> "Translator":
    from nmt_prune.runtime.translator import Translator

    with shared.warnings_to(meter.warn):
        return Translator(model, engine, threads, values, data, splitting, shortlist, cache)


@contextmanager
def _source(path: Path | None) -> Iterator[BinaryIO]:
    if path is None:
        yield sys.stdin.buffer
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise PruneError(f"{path} cannot be read: {error.strerror}") from None
    with file:
        yield file


def _sink(path: Path | None) -> AbstractContextManager[BinaryIO]:
    from nmt_prune import files

    return nullcontext(sys.stdout.buffer) if path is None else files.output(path)
