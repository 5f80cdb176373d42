"""Techniques whose masks move or are learned, as runs."""

from tests.experiments.planning.test_expansion import expanded, pruning
from tests.experiments.recipes import brix_recipe, make_recipe


def test_rigl_starts_from_a_random_mask_at_every_rung():
    runs = expanded(brix_recipe(techniques=["rigl"]))
    assert len(runs) == 13
    run = runs["rigl-90-seed1"]
    assert (run.parent, run.total_updates) == (None, 500_000)
    flags = {key: pruning(run)[key] for key in ("saliency", "budget", "sparsity", "schedule")}
    assert flags == {"saliency": "random", "budget": "erk", "sparsity": "0.9", "schedule": "rigl:interval=100"}


def test_rigl_moves_more_often_in_a_short_training():
    runs = expanded(make_recipe(techniques=["rigl"], prune_interval=0.05))
    assert pruning(runs["rigl-50-seed1"])["schedule"] == "rigl:interval=5"


def test_granet_and_acdc_are_one_training_from_fresh_weights():
    runs = expanded(make_recipe(techniques=["granet", "acdc"], ladder=[50]))
    assert list(runs) == ["dense-seed1", "granet-50-seed1", "acdc-50-seed1"]
    found = {name: pruning(run)["schedule"] for name, run in runs.items() if name != "dense-seed1"}
    assert found == {"granet-50-seed1": "granet:initial=0,end=80,interval=2", "acdc-50-seed1": "acdc:end=85"}
    assert {(run.parent, run.total_updates) for run in runs.values()} == {(None, 100)}
    stretched = expanded(make_recipe(techniques=["acdc"], ladder=[50], prune_end=0.7))["acdc-50-seed1"]
    assert pruning(stretched)["schedule"] == "acdc:end=70"


def test_learned_scores_start_from_the_dense_run_at_every_rung():
    runs = expanded(make_recipe(techniques=["movement"]))
    assert list(runs) == ["dense-seed1", *(f"movement-{percent}-seed1" for percent in (50, 80, 90))]
    for percent in (50, 80, 90):
        run = runs[f"movement-{percent}-seed1"]
        assert (run.parent, run.first_update, run.updates, run.total_updates) == ("dense-seed1", 0, 100, 200)
        flags = {key: pruning(run)[key] for key in ("saliency", "mask_from", "reset", "clock", "schedule")}
        assert flags == {
            "saliency": "movement",
            "mask_from": "dense-seed1/checkpoint_last.pt",
            "reset": "keep",
            "clock": "restart",
            "schedule": "cubic:initial=0,end=80,interval=2",
        }


def test_soft_movement_is_movement_with_another_mask():
    hard, soft = (
        pruning(expanded(make_recipe(techniques=[name], ladder=[50]))[f"{name}-50-seed1"])
        for name in ("movement", "soft-movement")
    )
    assert soft == {**hard, "saliency": "soft-movement"}


def test_gates_are_on_heads_whatever_the_recipe_prunes():
    run = expanded(make_recipe(techniques=["hard-concrete"], ladder=[50], group="unit"))["hard-concrete-50-seed1"]
    assert run.parent == "dense-seed1"
    assert {key: pruning(run)[key] for key in ("saliency", "group")} == {"saliency": "hard-concrete", "group": "head"}
