"""``nmt-prune distill``: training data whose targets are a teacher's translations."""

import os
from pathlib import Path
from typing import Annotated

import typer


def distill(
    teacher: Annotated[Path, typer.Option(help="checkpoint of a translation model with the data's dictionaries")],
    data: Annotated[Path, typer.Option(help="data folder whose training sources are translated")],
    out: Annotated[Path, typer.Option(help="data folder to make")],
    beam: Annotated[int, typer.Option(min=1, help="hypotheses kept")] = 5,
    best_of: Annotated[
        int,
        typer.Option(min=1, help="of so many hypotheses, take the one with most sentence BLEU against the reference"),
    ] = 1,
    keep_originals: Annotated[bool, typer.Option("--keep-originals", help="keep the original pairs beside")] = False,
    lenpen: Annotated[float, typer.Option(help="length penalty; above 1 favours longer sentences")] = 1.0,
    max_len_a: Annotated[float, typer.Option(help="longest target: a times source length, plus b")] = 2.0,
    max_len_b: Annotated[int, typer.Option(help="see --max-len-a")] = 10,
    engine: Annotated[
        str, typer.Option(help="compiled, torch, fairseq, or auto: fairseq on a GPU without --values and --workers")
    ] = "auto",
    values: Annotated[str, typer.Option(help="convert the teacher's weights, as nmt-prune pack does")] = "float32",
    workers: Annotated[int, typer.Option(min=0, help="processes, each with the teacher; 0: as many as cores")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Make the folder anew.")] = False,
) -> None:
    """Translate the training sources with a teacher: sequence-level distillation (Kim & Rush 2016).

    The new data folder has the dictionaries, the subword model and the held-out sets of the old one, so that students
    are trained and scored on it as on the original. Translations that are empty or longer than --max-len-a and
    --max-len-b allow are left out and counted. Killed anywhere, the same command goes on.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from nmt_prune.cli.options import quiet_fairseq, warn, warnings_to
    from nmt_prune.distillation.data_folder import distill as make
    from nmt_prune.distillation.settings import Distillation
    from nmt_prune.errors import PruneError

    if engine not in ("auto", "compiled", "torch", "fairseq"):
        raise PruneError(f"--engine {engine} is unknown; choose auto, compiled, torch or fairseq")
    if engine == "auto" and values == "float32" and workers == 1 and _has_gpu():
        engine = "fairseq"  # which takes neither
    settings = Distillation(
        teacher=teacher,
        data=data,
        beam=beam,
        best_of=best_of,
        keep_originals=keep_originals,
        lenpen=lenpen,
        max_len_a=max_len_a,
        max_len_b=max_len_b,
        engine=engine,  # type: ignore[arg-type]
        values=values,
    )
    if settings.engine == "fairseq" and workers != 1:
        raise PruneError("--workers is for this toolkit's engines; leave it out with --engine fairseq")
    processes = workers or os.cpu_count() or 1
    with quiet_fairseq(), warnings_to(warn):
        make(settings, out, workers=processes, force=force, report=lambda line: typer.echo(line, err=True))


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()
