"""Pruning at initialisation in recipes."""

import pytest

from nmt_prune.experiments.expansion import expand
from nmt_prune.saliency import saliencies
from nmt_prune.techniques import techniques
from tests.experiments.recipes import make_recipe

SCORES = {
    "snip": "snip",
    "grasp": "grasp",
    "grasp-preserve": "grasp:preserve=true",
    "synflow": "synflow",
    "oes": "oes",
    "random-init": "random",
}
METHODS = [name for name in SCORES if name != "random-init"]


def expanded(**changes):
    recipe = make_recipe(**{"techniques": METHODS, "controls": ["random-init"], **changes})
    return {run.name: run for run in expand(recipe)}


@pytest.mark.parametrize("technique", SCORES)
def test_fresh_weights_are_pruned_to_each_rung(technique):
    runs = expanded(saliency="magnitude", budget="erk", prune_set="all")
    for percent in (50, 80, 90):
        run = runs[f"{technique}-{percent}-seed1"]
        assert (run.parent, run.first_update, run.total_updates) == (None, 0, 100)
        assert run.settings["pruning"] == {
            "saliency": SCORES[technique],
            "budget": "matrix",
            "group": "element",
            "prune_set": "body",
            "sparsity": f"{percent / 100:g}",
            "schedule": "constant",
            "prune_seed": "1",
        }


def test_there_is_a_run_per_rung_and_the_dense_one():
    assert len(expanded()) == 1 + 6 * 3
    assert len(expanded(seeds=[1, 2])) == 2 * (1 + 6 * 3)
    assert {run.technique for run in expanded().values()} == {"dense", *SCORES}


def test_their_scores_exist_and_their_budget_is_one():
    for name, score in SCORES.items():
        assert techniques[name].flags["saliency"] == score
        saliencies.build(score)
    assert len({(techniques[name].flags["budget"], techniques[name].flags["prune_set"]) for name in SCORES}) == 1


def test_only_the_random_mask_is_a_control():
    assert [name for name in SCORES if techniques[name].is_control] == ["random-init"]
    with pytest.raises(ValueError, match="'random-init' is none of"):
        expanded(techniques=["random-init"])
