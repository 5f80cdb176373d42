"""``nmt-prune run``: carries out a recipe."""

import signal
from pathlib import Path
from typing import Annotated

import typer


def run(
    recipe: Annotated[str, typer.Argument(help="YAML file, or the name of a shipped recipe.")],
    snakemake: Annotated[
        list[str] | None,
        typer.Argument(help="After --, further arguments of Snakemake, e.g. --retries 2.", show_default=False),
    ] = None,
    runs_dir: Annotated[Path, typer.Option(help="Folder of all runs; these go to RUNS_DIR/RECIPE.")] = Path("runs"),
    data_dir: Annotated[Path, typer.Option(help="Folder of all data folders.")] = Path("data-bin"),
    data: Annotated[
        Path | None,
        typer.Option(help="Binarized data folder in place of the recipe's corpus.", show_default=False),
    ] = None,
    executor: Annotated[
        str, typer.Option(help="Where steps run: local, slurm, or another executor of Snakemake by name.")
    ] = "local",
    cores: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Most trainings side by side.",
            show_default="one per core, or as many as have GPUs; all on a cluster",
        ),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Technique or control to keep; may be repeated, or given as A,B.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan, what is done of it, and what it costs.")
    ] = False,
    tokens_per_second: Annotated[
        float | None,
        typer.Option(
            "--tokens-per-second",
            "--wps",
            min=1,
            help="With --dry-run: speed of a training (wps in fairseq's log), to count hours by.",
        ),
    ] = None,
) -> None:
    """Train, prune, score and report what a recipe asks for.

    Finished runs are skipped and a run that was interrupted goes on from its last checkpoint: repeat the command until
    everything is done. Each run's folder holds run.json with its settings and its fairseq-train command.

    Each training has GPUs of its own, as many as its distributed-world-size says (default 1). With cpu: true in the
    recipe's training, or where no GPU is visible, it has one core and one thread.

    With --executor slurm each training and scoring is a job, with the resources that the recipe asks for.

    Where Snakemake is not installed, the steps run on this machine all the same.
    """
    from rich.console import Console

    from nmt_prune.errors import PruneError
    from nmt_prune.experiments.execution.display import plan_table
    from nmt_prune.experiments.execution.executors import LOCAL
    from nmt_prune.experiments.execution.runner import run_plan
    from nmt_prune.experiments.planning.cost import PlanCost
    from nmt_prune.experiments.planning.preflight import check_plan
    from nmt_prune.experiments.planning.recipe_plan import recipe_plan
    from nmt_prune.experiments.planning.run_folder import check_all
    from nmt_prune.experiments.planning.small_models import sizes

    chosen = [name.strip() for names in only or () for name in names.split(",")]
    plan = recipe_plan(recipe, runs_dir, data_dir, data, chosen)
    if tokens_per_second is not None and not dry_run:
        raise PruneError("--tokens-per-second is for --dry-run; add that or leave this out")
    if dry_run:
        check_all(plan.runs, plan.places)
        console = Console()
        console.width = console.width if console.is_terminal else 160
        costs = PlanCost.of(plan).lines(tokens_per_second)
        console.print(plan_table(plan))
        console.print("", *costs, *sizes(plan.runs), sep="\n", markup=False, highlight=False, soft_wrap=True)
    check_plan(plan)
    if dry_run:
        return
    if executor == LOCAL and plan.resources is not None:
        ignored = ", ".join(sorted(plan.resources.model_fields_set))
        typer.echo(f"nmt-prune: resources of the recipe are for a cluster; here {ignored} do nothing", err=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        report = run_plan(plan, cores, snakemake or (), executor)
    except KeyboardInterrupt:
        typer.echo("nmt-prune: stopped; repeat the command to go on", err=True)
        raise typer.Exit(130) from None
    typer.echo((report / "table.md").read_text(encoding="utf-8"))
    for path in sorted(report.iterdir()):
        typer.echo(path)
