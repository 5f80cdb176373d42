"""Subnetworks in recipes: one search per seed, and from it pruned and retrained runs."""

import json

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.experiments.execution.runner import run_plan
from nmt_prune.experiments.planning.commands import Places, result, run_command
from nmt_prune.experiments.planning.cost import PlanCost
from nmt_prune.experiments.planning.expansion import expand
from tests.experiments.recipes import make_recipe

TECHNIQUES = ["subnetwork-good", "subnetwork-good-pruned"]
CONTROLS = ["subnetwork-random", "subnetwork-random-pruned", "subnetwork-bad", "subnetwork-bad-pruned"]


def recipe(**changes):
    return make_recipe(**{"techniques": TECHNIQUES, "controls": CONTROLS, "ladder": [50], **changes})


def test_one_search_and_six_runs_per_seed(tmp_path):
    runs = {run.name: run for run in expand(recipe(seeds=[1, 2]))}
    names = ["dense", "search", *TECHNIQUES, *CONTROLS]
    assert list(runs) == [f"{name}-seed{seed}" for seed in (1, 2) for name in names]
    search, good, pruned = (runs[f"{name}-seed2"] for name in ("search", *TECHNIQUES))
    assert (search.parent, search.step, search.updates, search.total_updates) == ("dense-seed2", "search", 0, 100)
    assert (good.parent, good.step, good.updates, good.total_updates) == ("search-seed2", "train", 100, 200)
    assert (pruned.parent, pruned.step, pruned.updates, pruned.total_updates) == ("search-seed2", "prune", 0, 100)
    assert good.settings["pruning"] == {
        "mask_from": "search-seed2/good.safetensors",
        "rewind_from": "dense-seed2/rewind_5.pt",
        "reset": "rewind",
        "clock": "restart",
    }
    places = Places(tmp_path / "runs", tmp_path / "data")
    assert run_command(pruned, places)[3:] == [
        *("ticket", "--mask-from", f"{tmp_path}/runs/search-seed2/good.safetensors"),
        *("--rewind-from", f"{tmp_path}/runs/dense-seed2/checkpoint_best.pt", "--reset", "keep"),
        *("--out", f"{tmp_path}/runs/subnetwork-good-pruned-seed2/checkpoint_best.pt"),
    ]


def test_the_settings_of_the_search_are_options_of_the_command(tmp_path):
    runs = expand(recipe(search={"ffn": "unit", "drop": 0.5, "beam": 4}))
    command = run_command(runs[1], Places(tmp_path / "runs", tmp_path / "data"))
    assert command[3:8] == [
        *("search", f"{tmp_path}/runs/dense-seed1/checkpoint_best.pt"),
        *("--data", f"{tmp_path}/data", "--out"),
    ]
    for flag, value in (("--ffn", "unit"), ("--drop", "0.5"), ("--beam", "4"), ("--seed", "1"), ("--method", "s")):
        assert command[command.index(flag) + 1] == value
    assert not {"--keep", "--name", "--checkpoint"} & {*command}


def test_what_is_searched_and_pruned_is_what_the_dense_row_is_scored_with(tmp_path):
    places = Places(tmp_path / "runs", tmp_path / "data")
    runs = {run.name: run for run in expand(recipe(techniques=[*TECHNIQUES, "slt"]))}
    scored = str(result(runs["dense-seed1"], places))
    searched, pruned = (run_command(runs[f"{name}-seed1"], places) for name in ("search", "subnetwork-good-pruned"))
    assert searched[4] == pruned[pruned.index("--rewind-from") + 1] == scored
    # A ticket's mask is found on θ_T all the same.
    assert runs["slt-50-seed1"].settings["pruning"]["mask_from"] == "dense-seed1/checkpoint_last.pt"


def test_a_search_may_be_on_the_last_checkpoint(tmp_path):
    runs = {run.name: run for run in expand(recipe(search={"checkpoint": "last"}))}
    assert runs["search-seed1"].settings["search"]["checkpoint"] == "dense-seed1/checkpoint_last.pt"
    assert runs["subnetwork-bad-pruned-seed1"].settings["pruning"]["rewind_from"] == "dense-seed1/checkpoint_last.pt"


BOTH = [{"ffn": "unit"}, {"name": "m", "method": "m", "drop": 1.0}]


def test_two_searches_in_one_recipe(tmp_path):
    one, both = ({run.name: run for run in expand(recipe(search=search))} for search in (BOTH[0], BOTH))
    assert {name: both[name].settings for name in one} == {name: run.settings for name, run in one.items()}
    added = [name for name in both if name not in one]
    assert added == ["search-m-seed1", *(f"{name}-m-seed1" for name in (*TECHNIQUES, *CONTROLS))]
    command = run_command(both["search-m-seed1"], Places(tmp_path, tmp_path))
    assert command[command.index("--method") + 1] == "m"
    good = both["subnetwork-good-m-seed1"]
    assert (good.technique, good.parent) == ("subnetwork-good-m", "search-m-seed1")
    assert good.settings["pruning"]["mask_from"] == "search-m-seed1/good.safetensors"
    kept = [run.name for run in expand(recipe(search=BOTH), ["subnetwork-bad"])]
    names = ("dense", "search", "search-m", "subnetwork-bad", "subnetwork-bad-m")
    assert {*kept} == {f"{name}-seed1" for name in names}


def test_only_one_of_them():
    runs = expand(recipe(), ["subnetwork-bad-pruned"])
    assert [run.name for run in runs] == ["dense-seed1", "search-seed1", "subnetwork-bad-pruned-seed1"]


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"ffn": "layer"}, "--ffn layer is neither"),
        ({"keep": 0.9, "drop": 1.0}, "exclude each other"),
        ({"saliency": "gate"}, "unknown saliency 'gate'"),
    ],
)
def test_an_impossible_search_is_refused_before_anything_is_trained(search, message):
    with pytest.raises(PruneError, match=message):
        recipe(search=search)


@pytest.mark.slow
def test_a_plan_searches_prunes_and_retrains_each_once(laboratory):
    plan = laboratory.plan(techniques=TECHNIQUES, controls=CONTROLS, ladder=[50])
    assert PlanCost.of(plan).trainings == 4
    run_plan(plan, 1)
    assert [call["run"] for call in laboratory.calls("search")] == ["search-seed1"]
    pruned = {call["run"] for call in laboratory.calls("ticket")}
    assert pruned == {f"subnetwork-{name}-pruned-seed1" for name in ("good", "random", "bad")}
    assert len(laboratory.trained()) == 4
    assert len(laboratory.calls("score")) == 7
    assert json.loads((laboratory.runs / "search-seed1" / "run.json").read_text())["step"] == "search"
    assert not (laboratory.runs / "search-seed1" / "scores.json").exists()
    laboratory.forget_calls()
    run_plan(plan, 1)
    assert [laboratory.calls(name) for name in ("search", "ticket", "train", "score", "report")] == [[]] * 5
