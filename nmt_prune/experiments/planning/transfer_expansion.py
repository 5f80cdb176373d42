"""From a transfer recipe to a plan."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from nmt_prune.errors import PruneError
from nmt_prune.experiments.planning.commands import Places
from nmt_prune.experiments.planning.expansion import expand
from nmt_prune.experiments.planning.plan import Plan
from nmt_prune.experiments.planning.runs import Run, with_ancestors
from nmt_prune.experiments.recipe.transfer_recipe import TICKET, TransferRecipe
from nmt_prune.pruning.flags import FILES
from nmt_prune.techniques import DENSE

TRANSFERRED, PARENT = "transferred.safetensors", "parent.pt"
"""The mask file in the folder of a run whose mask comes from another corpus, and the weights where they do, too."""


def transfer_plan(recipe: TransferRecipe, runs_dir: Path, data_dir: Path, only: Collection[str] = ()) -> Plan:
    """The plan of a transfer recipe; the runs of each target have a folder of their own, ``runs/RECIPE/TARGET``.

    Args:
        recipe: the recipe.
        runs_dir: folder of all runs.
        data_dir: folder of all data folders.
        only: ``transfer`` and controls of the recipe to keep; empty is all.

    Raises:
        PruneError: ``only`` names something that is not in the recipe.
    """
    folders = recipe.data_folders(data_dir)
    places = Places(runs_dir / recipe.name, next(iter(folders.values())), folders=folders)
    plan = Plan.of(expand_transfer(recipe, only), places, trainings_per_gpu=recipe.trainings_per_gpu)
    return replace(plan, targets=tuple(recipe.labels()))


def expand_transfer(recipe: TransferRecipe, only: Collection[str] = ()) -> list[Run]:
    """Expands a transfer recipe: the runs of each corpus, then those with another one's masks.

    Raises:
        PruneError: ``only`` names something that is not in the recipe.
    """
    for name in only:
        if name not in ("transfer", *recipe.controls):
            known = ", ".join(["transfer", *recipe.controls])
            raise PruneError(f"--only {name}: the transfer recipe {recipe.name} has {known}")
    final = recipe.ladder[-1] / 100
    runs: list[Run] = []
    for label, corpus in recipe.labels().items():
        runs += [_within(label, run) for run in expand(recipe.of(corpus))]
    by_name = {run.name: run for run in runs}
    for target in recipe.labels():
        for source in recipe.labels():
            for seed in recipe.seeds if source != target else ():
                mask = _transferred(recipe, by_name, source, target, seed)
                made = {"target": mask, "source": _on_parent(recipe, by_name, source, mask)}
                runs += [made[weights] for weights in dict.fromkeys(recipe.weights)]
    # Lower rungs of the ladder are there to find the masks of the last one.
    kept = {run.name for run in runs if run.sparsity in (0.0, round(final, 6)) and _is_wanted(run, only)}
    return with_ancestors(runs, kept)


def _is_wanted(run: Run, only: Collection[str]) -> bool:
    is_transfer = run.technique == TICKET or "transfer" in run.settings
    return not only or run.technique in (DENSE, *only) or ("transfer" in only and is_transfer)


def _within(label: str, run: Run) -> Run:
    """The run in the folder of its corpus."""
    settings = dict(run.settings)
    for section, keys in {"pruning": FILES, "teacher": ("checkpoint", "sequence"), "distill": ("teacher",)}.items():
        if section in settings:
            found = settings[section]
            settings[section] = {**found, **{key: f"{label}/{found[key]}" for key in found.keys() & keys}}
    settings["parent"] = parent = f"{label}/{run.parent}" if run.parent else None
    pruning = settings["pruning"]
    files = [pruning[key].rpartition("/")[0] for key in ("rewind_from", "counts_from") if key in pruning]
    needs = tuple(dict.fromkeys([*(f"{label}/{name}" for name in run.needs), *files]))
    return replace(run, name=f"{label}/{run.name}", parent=parent, needs=needs, settings=settings)


def _transferred(recipe: TransferRecipe, runs: dict[str, Run], source: str, target: str, seed: int) -> Run:
    """The target's θ_t with the source's mask: the target's own run but for where the mask comes from."""
    rung = f"{TICKET}-{recipe.ladder[-1]:g}-seed{seed}"
    giver, own, dense = runs[f"{source}/{rung}"], runs[f"{target}/{rung}"], runs[f"{target}/{DENSE}-seed{seed}"]
    technique = f"from-{source}"
    name = f"{target}/{technique}-{recipe.ladder[-1]:g}-seed{seed}"
    pruning: dict[str, Any] = {
        # The mask as it is, with no sparsity or budget of its own.
        "mask_from": f"{name}/{TRANSFERRED}",
        "rewind_from": f"{dense.name}/rewind_{recipe.updates(recipe.rewind)}.pt",
        "reset": "rewind",
        "clock": "restart",
        "prune_seed": str(seed),
    }
    transfer = {
        "mask": f"{giver.name}/checkpoint_last.pt",
        "from": giver.settings["corpus"]["folder"],
        "to": own.settings["corpus"]["folder"],
        "embedding": recipe.embedding,
    }
    settings = {**own.settings, "parent": giver.name, "pruning": pruning, "transfer": transfer}
    return Run(
        name=name,
        technique=technique,
        sparsity=own.sparsity,
        seed=seed,
        parent=giver.name,
        first_update=0,
        updates=own.updates,
        total_updates=own.updates + giver.total_updates,
        settings=settings,
        needs=tuple(dict.fromkeys([dense.name, *own.needs])),
    )


def _on_parent(recipe: TransferRecipe, runs: dict[str, Run], source: str, mask: Run) -> Run:
    """The same mask on what the source's dense model has learned, and not on the target's θ_t."""
    parent = runs[f"{source}/{DENSE}-seed{mask.seed}"]
    target, _, rung = mask.name.partition("/")
    name, pruning = f"{target}/weights-{rung}", mask.settings["pruning"]
    transfer = {
        **mask.settings["transfer"],
        "weights": f"{parent.name}/checkpoint_{recipe.mask_checkpoint}.pt",
        "onto": pruning["rewind_from"],
    }
    pruning = {**pruning, "mask_from": f"{name}/{TRANSFERRED}", "rewind_from": f"{name}/{PARENT}"}
    settings = {**mask.settings, "pruning": pruning, "transfer": transfer}
    return replace(mask, name=name, technique=f"weights-{mask.technique}", settings=settings)
