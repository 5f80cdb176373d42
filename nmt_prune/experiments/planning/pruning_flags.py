"""A technique at a rung of the ladder as flags of the task."""

import os

from nmt_prune.experiments.planning.runs import Run
from nmt_prune.experiments.recipe.schema import Recipe
from nmt_prune.techniques import DENSE, Technique


def pruning_flags(
    recipe: Recipe, technique: Technique, percent: float, seed: int, parent: Run | None, dense: Run, length: int
) -> dict[str, str]:
    """The task's pruning flags of a run, files as RUN/FILE.

    Args:
        recipe: the recipe.
        technique: what the run is made by.
        percent: its sparsity.
        seed: seed of whatever is drawn.
        parent: the run that the mask is found on; None for fresh weights.
        dense: the dense run of the same seed.
        length: updates of its training.
    """
    # At rung 0, of techniques that quantize, nothing is selected.
    selection = {"saliency": recipe.saliency, "budget": recipe.budget} if percent else {}
    pruning = {
        **selection,
        "group": recipe.group,
        "prune_set": recipe.prune_set,
        "sparsity": f"{percent / 100:g}",
        "schedule": _schedule(recipe, technique, parent, length),
        "prune_seed": str(seed),
    }
    if recipe.extension:
        pruning["extension"] = os.pathsep.join(recipe.extension)
    if parent is not None:
        pruning |= {
            "mask_from": f"{parent.name}/checkpoint_{recipe.mask_checkpoint}.pt",
            "reset": technique.reset,
            "clock": technique.clock,
        }
    if technique.rewind and parent is not None:
        # θ_0 is the same everywhere; a run that does not pass update t, because its clock starts there, has no θ_t.
        from_dense = technique.rewind == "init" or technique.clock == "rewind" or recipe.rewind_source == DENSE
        source, update = (dense if from_dense else parent), recipe.updates(recipe.rewind)
        pruning["rewind_from"] = f"{source.name}/rewind_{0 if technique.rewind == 'init' else update}.pt"
    if technique.leaves_rewind_point and recipe.rewind_source == "last":
        pruning["rewind_points"] = str(recipe.updates(recipe.rewind))
    return {**pruning, **technique.flags}


def _schedule(recipe: Recipe, technique: Technique, parent: Run | None, length: int) -> str:
    if technique.schedule == "constant":
        return "constant"
    own_end = None if "prune_end" in recipe.model_fields_set else technique.prune_end
    moments = (own_end or recipe.prune_end, recipe.prune_interval)
    end, interval = (recipe.updates(moment) * length // recipe.training.max_update for moment in moments)
    if technique.schedule == "oneshot":
        begin = parent.last_update if technique.clock == "keep" and parent else 0
        return f"oneshot:at={begin + end}"
    if technique.schedule == "rigl":
        return f"rigl:interval={min(100, interval)}"  # Evci 2020; a short training needs more moves than that
    if technique.schedule == "layerwise":
        return f"layerwise:end={end}"
    if technique.schedule == "acdc":
        return f"acdc:end={end}"
    if technique.schedule in ("cubic", "granet"):
        initial = parent.sparsity if parent else 0.0
        return f"{technique.schedule}:initial={initial:g},end={end},interval={interval}"
    return technique.schedule
