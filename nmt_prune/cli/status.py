"""``nmt-prune status``: how far a recipe is."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmt_prune.cli import options

if TYPE_CHECKING:
    from nmt_prune.experiments.execution.status import Status
    from nmt_prune.experiments.planning.plan import Plan

SECONDS_BETWEEN_LOOKS = 2.0


def status(
    recipe: Annotated[str, typer.Argument(help="YAML file, name of a shipped recipe, or folder of its runs.")],
    runs_dir: Annotated[Path, typer.Option(help="Folder of all runs, as for nmt-prune run.")] = Path("runs"),
    watch: Annotated[bool, typer.Option("--watch", help="Go on until everything is done, or Ctrl-C.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Show what of a recipe is done, running, waiting or failed, and how long it still takes.

    Nothing is started or written, whether nmt-prune run is at work or not. What has begun is shown as it was begun:
    with its --only and --data, and without what the recipe file says since.
    """
    from nmt_prune.errors import PruneError
    from nmt_prune.experiments.execution.status import watch as looks

    if watch and as_json:
        raise PruneError("--json prints once; leave out --watch")
    states = looks(_plan(recipe, runs_dir))
    if as_json:
        typer.echo(json.dumps(next(states).as_json(), indent=2))
        return
    try:
        _show(states, watch)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _plan(recipe: str, runs_dir: Path) -> "Plan":
    """The plan that was begun, or else that of the recipe."""
    from nmt_prune.errors import PruneError
    from nmt_prune.experiments.planning.plan import PLAN_FILE, Plan
    from nmt_prune.experiments.recipe.names import read_values, recipe_path

    if Path(recipe).is_dir():
        if (plan := Plan.begun_in(Path(recipe))) is None:
            raise PruneError(f"{recipe} holds no {PLAN_FILE}; give a recipe, or its folder of runs: RUNS_DIR/RECIPE")
        return plan
    path = recipe_path(recipe)
    folder = runs_dir / str(read_values(path)["name"])
    if plan := Plan.begun_in(folder):
        if path.stat().st_mtime > (folder / PLAN_FILE).stat().st_mtime:
            options.warn(f"{path} has changed since it was run; nmt-prune run --dry-run shows what it asks for now")
        return plan
    from nmt_prune.experiments.planning.recipe_plan import recipe_plan  # imports torch, which takes seconds

    return recipe_plan(recipe, runs_dir, Path("data-bin"))


def _show(states: "Iterator[Status]", watch: bool) -> None:
    from rich.console import Console
    from rich.live import Live

    from nmt_prune.experiments.execution.display import Lines

    console = Console()
    console.width = console.width if console.is_terminal else 160
    last = next(states)
    if watch and console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            while not last.is_done:
                live.update(last.shown(), refresh=True)
                time.sleep(SECONDS_BETWEEN_LOOKS)
                last = next(states)
    elif watch:
        lines = Lines(console)
        while not last.is_done:
            lines.show(last.snapshot)
            time.sleep(SECONDS_BETWEEN_LOOKS)
            last = next(states)
    console.print(last.shown(), soft_wrap=True)
