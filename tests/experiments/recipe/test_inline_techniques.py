"""Variants of techniques in a recipe, and techniques of an extension."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from nmt_prune.errors import PruneError
from nmt_prune.experiments.planning.expansion import expand
from nmt_prune.experiments.recipe.recipe_file import load_recipe
from nmt_prune.techniques import techniques
from tests.experiments.recipes import make_recipe

EXTENSION = """
from dataclasses import dataclass
from nmt_prune.pruning.schedules import Schedule, schedules
from nmt_prune.techniques import Technique, WhileTraining, techniques


@schedules.register("ramp")
@dataclass(frozen=True)
class Ramp(Schedule):
    '''A straight line.'''

    interval: int = 1

    @property
    def settled_at(self):
        return self.max_update

    def sparsity(self, update):
        return self.final * min(1, update / self.max_update)


techniques.add(
    "ramped",
    Technique(label="Ramp", summary="by a straight line", mask=WhileTraining(), schedule="ramp:interval=5"),
)
"""
RECIPE = """
corpus: {name: numbers}
model: {arch: masked_transformer_tiny}
training: {max-update: 100, lr: 5e-4}
ladder: [50, 80]
"""


@pytest.fixture
def load(tmp_path):
    def load(text):
        (tmp_path / "own.py").write_text(EXTENSION)
        (tmp_path / "mine.yaml").write_text(RECIPE + text)
        return load_recipe(str(tmp_path / "mine.yaml"))

    return load


def pruning(run, *names):
    return [run.settings["pruning"].get(name) for name in names]


def test_a_variant_is_another_technique_but_for_what_it_names(load):
    recipe = load(
        "extension: own.py\n"
        "techniques: [mp, {name: mine, like: mp, saliency: random, schedule: 'ramp:interval=5'},"
        " {name: signs, like: slt, reset: sign}]"
    )
    runs = {run.name: run for run in expand(recipe)}
    assert set(runs) == {
        "dense-seed1",
        *(f"{name}-{rung}-seed1" for name in ("mp", "mine", "signs") for rung in (50, 80)),
    }
    assert pruning(runs["mp-80-seed1"], "saliency", "schedule") == ["magnitude", "cubic:initial=0,end=80,interval=2"]
    assert pruning(runs["mine-80-seed1"], "saliency", "schedule", "mask_from") == ["random", "ramp:interval=5", None]
    assert pruning(runs["signs-80-seed1"], "reset", "mask_from") == ["sign", "signs-50-seed1/checkpoint_last.pt"]
    assert runs["mine-80-seed1"].technique == "mine"


def test_an_extension_adds_a_technique(load):
    recipe = load("extension: own.py\ntechniques: [ramped]")
    runs = {run.name: run for run in expand(recipe)}
    assert pruning(runs["ramped-80-seed1"], "schedule", "mask_from") == ["ramp:interval=5", None]
    assert runs["ramped-80-seed1"].settings["pruning"]["extension"].endswith("own.py")


def test_a_technique_may_train_in_its_own_way_and_a_variant_of_it_in_another(monkeypatch):
    monkeypatch.setitem(techniques._entries, "mp", replace(techniques["mp"], training={"lr": 0.25, "dropout": 0.5}))
    mine = {"name": "mine", "like": "mp", "training": {"dropout": 0}}
    runs = {run.name: run.settings["training"] for run in expand(make_recipe(techniques=["mp", "slt", mine]))}
    assert [runs["mp-50-seed1"][flag] for flag in ("lr", "dropout")] == [0.25, 0.5]
    assert [runs["mine-50-seed1"][flag] for flag in ("lr", "dropout")] == [0.25, 0]
    assert runs["slt-50-seed1"]["lr"] == runs["dense-seed1"]["lr"] != 0.25


def test_a_variant_with_another_scheduler_has_none_of_the_flags_of_the_recipes():
    training = {"max-update": 100, "lr-scheduler": "inverse_sqrt", "warmup-updates": 9}
    mine = {"name": "mine", "like": "mp", "training": {"lr-scheduler": "tri_stage", "warmup-steps": 5}}
    runs = {run.name: run.settings["training"] for run in expand(make_recipe(training=training, techniques=[mine]))}
    assert runs["mine-50-seed1"] == {"max_update": 100, "lr_scheduler": "tri_stage", "warmup_steps": 5}
    assert runs["dense-seed1"] == {"max_update": 100, "lr_scheduler": "inverse_sqrt", "warmup_updates": 9}


def test_a_polynomial_decay_ends_with_each_training_unless_it_says_when():
    training = {"max-update": 100, "lr-scheduler": "polynomial_decay"}
    changes = {"techniques": ["finetune"], "controls": ["mp-scratch"], "ladder": [50, 80]}
    for given, ends in (({}, [100, 200, 300, 200, 300]), ({"total-num-update": 7}, [7] * 5)):
        runs = {run.name: run.settings["training"] for run in expand(make_recipe(training=training | given, **changes))}
        names = ("dense-seed1", "finetune-50-seed1", "finetune-80-seed1", "mp-scratch-50-seed1", "mp-scratch-80-seed1")
        assert [runs[name]["total_num_update"] for name in names] == ends


def test_a_variant_has_its_own_start_rounds_of_the_technique_that_makes_them():
    mine = {"name": "mine", "like": "slt-mp", "saliency": "random"}
    runs = {run.name: run for run in expand(make_recipe(techniques=["slt-mp", mine], ladder=[50, 80]))}
    assert runs["mine-80-seed1"].parent == "mine-60-seed1"
    assert pruning(runs["mine-60-seed1"], "saliency") == ["magnitude"]
    assert pruning(runs["mine-80-seed1"], "saliency") == ["random"]


def test_a_variant_has_the_start_rounds_that_the_recipe_gives_the_other_technique():
    mine = {"name": "mine", "like": "slt-mp", "saliency": "random"}
    rounds = {"slt-mp": [50]}
    runs = {run.name: run for run in expand(make_recipe(techniques=["slt-mp", mine], ladder=[80], start_rounds=rounds))}
    assert runs["mine-80-seed1"].parent == "mine-50-seed1"
    assert runs["mine-80-seed1"].total_updates == runs["slt-mp-80-seed1"].total_updates


@pytest.mark.parametrize("name", ["distilled", "search", "subnetwork-good", "mp"])
def test_names_of_other_runs_are_taken(name):
    with pytest.raises(ValidationError, match=f"'{name}' is taken; give the technique another name"):
        make_recipe(techniques=[{"name": name, "like": "mp", "saliency": "random"}])
    assert make_recipe(techniques=[{"name": "distilled-mp", "like": "mp", "saliency": "random"}])
    with pytest.raises(ValidationError, match="'distilled-last' may be what a translation of the data is called"):
        make_recipe(techniques=[{"name": "distilled-last", "like": "dense", "model": {"decoder-layers": 1}}])


def test_a_variant_may_be_wanted_at_some_rungs_alone():
    """Those below which a rung follows from are trained, and others are not."""
    some = [
        {"name": "mine", "like": "mp", "saliency": "random", "ladder": [80]},
        {"name": "chain", "like": "slt", "reset": "sign", "ladder": [80]},
    ]
    runs = [run.name for run in expand(make_recipe(techniques=["mp", *some], ladder=[50, 80, 90]))]
    assert [name for name in runs if "mine" in name] == ["mine-80-seed1"]
    assert [name for name in runs if "chain" in name] == ["chain-50-seed1", "chain-80-seed1"]
    assert len([name for name in runs if name.startswith("mp")]) == 3


def test_a_rung_of_a_variant_alone_leaves_the_others_theirs():
    own = {"name": "mine", "like": "slt", "reset": "sign", "ladder": [40, 60, 80]}
    runs = {run.name: run for run in expand(make_recipe(techniques=["slt", own], ladder=[50, 80]))}
    assert {name: run.parent for name, run in runs.items() if run.sparsity > 0} == {
        "slt-50-seed1": "dense-seed1",
        "slt-80-seed1": "slt-50-seed1",
        "mine-40-seed1": "dense-seed1",
        "mine-50-seed1": "mine-40-seed1",
        "mine-60-seed1": "mine-50-seed1",
        "mine-80-seed1": "mine-60-seed1",
    }


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("[{name: mine, lke: mp}]", "unknown key techniques.0.lke; did you mean like?"),
        ("[{name: mine}]", "the key techniques.0.like is missing"),
        ("[{name: mine, like: slr}]", "unknown technique 'slr'; did you mean slt?"),
        ("[{name: mine, like: slt}]", "'mine' is 'slt'; say what differs"),
        ("[{name: slt, like: mp, reset: sign}]", "'slt' is taken"),
        ("[{name: mine, like: slt, saliency: magnitud}]", "did you mean magnitude?"),
        ("[{name: mine, like: subnetwork-good, reset: sign}]", "comes out of a search"),
        ("[{name: mine, like: slt, ladder: [0, 80]}]", "mine: rung 0 is for techniques that quantize; remove it"),
        ("[{name: mine, like: slt-mp, ladder: [55, 80]}]", "mine: 55 is below its last start round 60; remove it"),
        ("[slt, slt]", "'slt' is there twice"),
        ("[5]", "techniques.0"),
    ],
)
def test_a_mistake_is_one_line(load, listed, expected):
    with pytest.raises(PruneError) as refused:
        load(f"techniques: {listed}")
    assert expected in str(refused.value)
    assert "<" not in str(refused.value)


def test_a_name_is_taken_once():
    with pytest.raises(PruneError, match="technique 'slt' exists already"):
        techniques.add("slt", techniques["mp"])
