"""``nmt-prune prune``: one model, one command."""

import signal
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmt_prune.cli import options
from nmt_prune.techniques import RECOMMENDED

if TYPE_CHECKING:
    from nmt_prune.experiments.one_model.request import Request


def prune(
    checkpoint: Annotated[Path, typer.Argument(help="trained fairseq Transformer, stock or masked")],
    data: Annotated[Path, typer.Option(help="data folder, as for fairseq-train, with the model's dictionaries")],
    out: Annotated[Path, typer.Option(help="folder to make: checkpoint.pt, model.nmt, summary.md and the runs")],
    sparsity: Annotated[
        str, typer.Option(help="share of the weights to remove, below 1, or auto: as much as --max-loss allows")
    ] = "0.9",
    max_loss: Annotated[
        float | None, typer.Option(help="with --sparsity auto: BLEU that may be lost on the validation set")
    ] = None,
    technique: Annotated[
        str, typer.Option(help="see nmt-prune list; one that begins with a trained model and does not rewind")
    ] = RECOMMENDED,
    updates: Annotated[
        int | None, typer.Option(min=1, help="length of the training", show_default="that of the model's own")
    ] = None,
    control: Annotated[
        bool, typer.Option("--control/--no-control", help="train the dense model on for as long, for comparison")
    ] = True,
    distill: Annotated[
        bool, typer.Option("--distill", help="train on the model's translations of the training sources, control too")
    ] = False,
    subset: Annotated[str, typer.Option(help="what is translated for the scores: test or valid")] = "test",
    reference: Annotated[
        Path | None, typer.Option(help="its detokenized reference", show_default="DATA/raw/SUBSET.TARGET")
    ] = None,
    beam: Annotated[int, typer.Option(min=1, help="beam size of the scores")] = 5,
    values: Annotated[str, typer.Option(help="weights of model.nmt, as nmt-prune pack has them")] = "float32",
    seed: options.Seed = 1,
    cores: Annotated[
        int | None, typer.Option(min=1, help="trainings side by side", show_default="one per core or GPU")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be done, and stop")] = False,
) -> None:
    """Prune a trained model: train it on while it is pruned, pack it, and compare it with what it was.

    Optimizer, batch and learning rate are those of the checkpoint; what is changed of them is said. Killed anywhere,
    the same command goes on. OUT/recipe.yaml is the experiment as a recipe, OUT/runs its runs and their report.
    """
    from nmt_prune.experiments.execution.devices import visible_gpus
    from nmt_prune.experiments.one_model.pruning import largest
    from nmt_prune.experiments.one_model.pruning import prune as make
    from nmt_prune.experiments.one_model.request import Request
    from nmt_prune.storage.model.precision import check_values

    check_values(values)
    percent = _percent(sparsity, max_loss)
    request = Request(
        checkpoint, data, out, technique, updates, control, seed, subset, reference, beam, bool(visible_gpus()), distill
    )
    if dry_run:
        _show(request, percent)
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with options.quiet_fairseq(), options.warnings_to(options.warn):
            if percent is None:
                assert max_loss is not None
                percent = largest(request, max_loss, lambda line: typer.echo(line, err=True), cores)
            text = make(request, percent, values, cores)
    except KeyboardInterrupt:
        typer.echo("nmt-prune: stopped; repeat the command to go on", err=True)
        raise typer.Exit(130) from None
    typer.echo(text)


def _percent(sparsity: str, max_loss: float | None) -> float | None:
    from nmt_prune.errors import PruneError

    if sparsity == "auto":
        if max_loss is None:
            raise PruneError("--sparsity auto needs --max-loss, e.g. 0.5 BLEU")
        return None
    if max_loss is not None:
        raise PruneError(f"--max-loss {max_loss:g} is for --sparsity auto; leave one of them out")
    try:
        share = float(sparsity)
    except ValueError:
        raise PruneError(f"--sparsity {sparsity} is no number; give a share such as 0.9, or auto") from None
    if not 0 < share < 1:
        raise PruneError(f"--sparsity {sparsity} must lie between 0 and 1")
    return round(100 * share, 6)


def _show(request: "Request", percent: float | None) -> None:
    """What would be done."""
    from rich.console import Console

    from nmt_prune.checkpoints import Checkpoint
    from nmt_prune.experiments.execution.display import plan_table
    from nmt_prune.experiments.one_model.pruning import CANDIDATES, plan_of
    from nmt_prune.experiments.planning.cost import PlanCost

    tried = CANDIDATES[(len(CANDIDATES) - 1) // 2] if percent is None else percent
    with options.quiet_fairseq(), options.warnings_to(options.warn):
        plan, _, changes = plan_of(request, [tried])
    console = Console()
    console.width = console.width if console.is_terminal else 160
    console.print(plan_table(plan))
    seconds = (Checkpoint.load(request.checkpoint).state.get("extra_state") or {}).get("previous_training_time")
    lines = [*PlanCost.of(plan).lines(), *changes]
    if percent is None:
        listed = ", ".join(map(str, CANDIDATES))
        lines.append(f"the sparsity is found by bisection among {listed} %: three or four such trainings")
    if seconds:
        lines.append(
            f"the model's own training took {timedelta(seconds=round(seconds))}, on the machine that it was on"
        )
    console.print("", *lines, sep="\n", markup=False, highlight=False, soft_wrap=True)
