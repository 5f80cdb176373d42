"""Greedy layerwise pruning in recipes."""

import pytest

from nmt_prune.experiments.planning.expansion import expand
from tests.experiments.recipes import make_recipe

SETTINGS = {
    "greedy": ("layerwise", "layerwise:end=80"),
    "greedy-calibration": ("layerwise", "constant"),
    "greedy-oneshot": ("layerwise:remeasure=false", "constant"),
}


@pytest.mark.parametrize("technique", SETTINGS)
def test_every_rung_prunes_channels_of_the_dense_run(technique):
    runs = {run.name: run for run in expand(make_recipe(techniques=list(SETTINGS), budget="global"))}
    assert len(runs) == 1 + 3 * 3
    budget, schedule = SETTINGS[technique]
    for percent in (50, 80, 90):
        run = runs[f"{technique}-{percent}-seed1"]
        assert (run.parent, run.first_update, run.updates, run.total_updates) == ("dense-seed1", 0, 100, 200)
        assert run.settings["pruning"] == {
            "saliency": "activation",
            "budget": budget,
            "group": "channel",
            "prune_set": "all",
            "sparsity": f"{percent / 100:g}",
            "schedule": schedule,
            "prune_seed": "1",
            "mask_from": "dense-seed1/checkpoint_last.pt",
            "reset": "keep",
            "clock": "restart",
        }
