"""From a recipe file to its plan."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.experiments.planning.commands import Places
from nmt_prune.experiments.planning.expansion import expand
from nmt_prune.experiments.planning.plan import Plan
from nmt_prune.experiments.planning.transfer_expansion import transfer_plan
from nmt_prune.experiments.recipe.recipe_file import load_recipe, with_data
from nmt_prune.experiments.recipe.transfer_recipe import TransferRecipe


def recipe_plan(
    recipe: str, runs_dir: Path, data_dir: Path, data: Path | None = None, only: Collection[str] = ()
) -> Plan:
    """Reads a recipe and expands it.

    Args:
        recipe: a YAML file, or the name of a shipped recipe.
        runs_dir: folder of all runs.
        data_dir: folder of all data folders.
        data: binarized data folder in place of the recipe's corpus.
        only: techniques and controls to keep; empty is all.

    Raises:
        PruneError: the recipe is wrong, or ``data`` or ``only`` do not fit it.
    """
    loaded = load_recipe(recipe)
    if isinstance(loaded, TransferRecipe):
        if data is not None:
            raise PruneError("--data is for recipes of one corpus; leave it out")
        return replace(transfer_plan(loaded, runs_dir, data_dir, only), resources=loaded.resources)
    loaded = loaded if data is None else with_data(loaded, data)
    dense = None if loaded.dense is None else Path(loaded.dense.checkpoint)
    places = Places(runs_dir / loaded.name, data or loaded.data_folder(data_dir), dense=dense)
    plan = Plan.of(expand(loaded, only, data), places, loaded.published, loaded.trainings_per_gpu)
    return replace(plan, data_is_given=data is not None, resources=loaded.resources)
