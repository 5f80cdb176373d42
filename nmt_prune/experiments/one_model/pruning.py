"""From a request to a folder with the pruned checkpoint, the packed model and a page about both."""

import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.subset import Subset
from nmt_prune.evaluation.records.run import SCORES_FILE
from nmt_prune.experiments.execution.runner import run_plan
from nmt_prune.experiments.one_model.request import RUNS, Request, check_folder, write_recipe
from nmt_prune.experiments.one_model.summary import summary
from nmt_prune.experiments.planning.commands import Places, result
from nmt_prune.experiments.planning.expansion import expand
from nmt_prune.experiments.planning.plan import Plan
from nmt_prune.experiments.planning.preflight import check_plan
from nmt_prune.experiments.planning.run_folder import check_all
from nmt_prune.experiments.planning.runs import Run
from nmt_prune.experiments.recipe.recipe_file import as_recipe
from nmt_prune.files import atomic_path, read_json
from nmt_prune.storage.checkpoints.from_checkpoint import compact_model
from nmt_prune.storage.format.compact_file import save_compact
from nmt_prune.techniques import DENSE

CHECKPOINT, PACKED, SUMMARY = "checkpoint.pt", "model.nmt", "summary.md"

CANDIDATES = (50, 60, 70, 80, 85, 90, 95, 98)
"""Sparsities, in percent, among which the largest one is searched for."""


def plan_of(request: Request, percents: Sequence[float]) -> tuple[Plan, dict[str, Any], list[str]]:
    """The plan for some sparsities, its recipe, and what of the model's own settings it changes.

    Raises:
        PruneError: model and data do not belong together, or the folder holds work on another request.
    """
    recipe, changes = request.recipe(list(percents))
    check_folder(recipe, request.out)
    places = Places(request.out / RUNS, request.data, dense=request.checkpoint)
    plan = replace(Plan.of(expand(as_recipe(recipe, "nmt-prune prune")), places), data_is_given=True)
    check_all(plan.runs, plan.places)
    check_plan(plan)
    return plan, recipe, changes


def carried_out(request: Request, percent: float, cores: int | None) -> tuple[Plan, list[str]]:
    """The plan for a sparsity when all of it is done, and what it changes of the model's own settings.

    Raises:
        PruneError: a step failed; the same call goes on from there.
    """
    plan, recipe, changes = plan_of(request, [percent])
    write_recipe(recipe, request.out)
    run_plan(plan, cores)
    return plan, changes


def prune(request: Request, percent: float, values: str, cores: int | None = None) -> str:
    """Prunes, packs and describes the model; what is done already is not done again.

    Args:
        request: the model and how.
        percent: sparsity.
        values: type of the packed weights.
        cores: most trainings side by side.

    Returns:
        The page in Markdown.

    Raises:
        PruneError: a step failed; the same call goes on from there.
    """
    plan, changes = carried_out(request, percent, cores)
    run = _pruned(plan)
    best = result(run, plan.places)
    with atomic_path(request.out / CHECKPOINT) as temporary:
        shutil.copyfile(best, temporary)
    with atomic_path(request.out / PACKED) as temporary:
        save_compact(compact_model(Checkpoint.load(best), request.data, values), temporary)
    command = shlex.join(read_json(plan.folder(run).path / "run.json")["command"])
    text = summary(plan.places.runs, run, request.out, changes, command)
    with atomic_path(request.out / SUMMARY) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return text


def largest(request: Request, max_loss: float, report: Callable[[str], None], cores: int | None = None) -> float:
    """The largest sparsity whose dev BLEU is at most so far below the dense model's, by bisection.

    Args:
        request: the model and how.
        max_loss: BLEU.
        report: called with what each sparsity gave.
        cores: most trainings side by side.

    Returns:
        One of :data:`CANDIDATES`, in percent.

    Raises:
        PruneError: not even the smallest one is good enough, or a step failed.
    """
    plain = replace(request, control=False)
    target = Subset.find(request.data, request.subset, request.reference).target
    if not request.dev_reference(target).is_file():
        raise PruneError(f"--sparsity auto compares dev BLEU, and {request.dev_reference(target)} is not there; add it")
    low, high = -1, len(CANDIDATES)
    while high - low > 1:
        middle = (low + high) // 2
        plan, _ = carried_out(plain, CANDIDATES[middle], cores)
        loss = _dev_bleu(plan, next(run for run in plan.runs if run.technique == DENSE)) - _dev_bleu(
            plan, _pruned(plan)
        )
        is_good = loss <= max_loss
        report(f"{CANDIDATES[middle]} %: {loss:+.2f} BLEU lost on dev{'' if is_good else ', too much'}")
        low, high = (middle, high) if is_good else (low, middle)
    if low < 0:
        raise PruneError(f"{CANDIDATES[0]} % loses more than --max-loss {max_loss:g} BLEU on dev; allow more")
    return CANDIDATES[low]


def _pruned(plan: Plan) -> Run:
    return next(run for run in plan.runs if run.sparsity > 0)


def _dev_bleu(plan: Plan, run: Run) -> float:
    return float(read_json(plan.folder(run).path / SCORES_FILE)["dev_bleu"])
