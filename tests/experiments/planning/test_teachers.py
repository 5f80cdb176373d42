"""Who is taught by the dense run, and by which flags."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nmt_prune.experiments.planning.commands import Places, train_arguments
from nmt_prune.experiments.planning.expansion import expand
from nmt_prune.experiments.planning.runs import Run
from nmt_prune.experiments.recipe.schema import Recipe
from tests.experiments.recipes import make_recipe

PLACES = Places(Path("runs"), Path("data"))


def distilling(**changes: Any) -> Recipe:
    training = {"max_update": 100, "criterion": "label_smoothed_cross_entropy", "label_smoothing": 0.1}
    return make_recipe(**{"training": training, "controls": ["dense-longer", "random"], **changes})


def taught(recipe: Recipe) -> set[str]:
    """The runs that are taught, without the seed."""
    return {run.name.removesuffix("-seed1") for run in expand(recipe) if "teacher" in run.settings}


def flags(run: Run) -> dict[str, str]:
    words = train_arguments(run, PLACES)
    return {word: following for word, following in pairwise(words) if word.startswith("--")}


def test_all_but_the_dense_run_are_taught_by_that_of_their_seed():
    runs = expand(distilling(teacher={"temperature": 3, "hidden": 1}, seeds=[1, 2]))
    for run in runs:
        assert ("teacher" in run.settings) == (run.technique != "dense")
        if run.technique != "dense":
            found = flags(run)
            assert found["--criterion"] == "distilled_cross_entropy"
            assert found["--label-smoothing"] == "0.1"
            assert found["--teacher"] == f"runs/dense-seed{run.seed}/checkpoint_best.pt"
            weights = [float(found[f"--teacher-{name}"]) for name in ("word", "temperature", "hidden")]
            assert weights == [0.5, 3, 1]
            assert f"dense-seed{run.seed}" in run.after  # also where its mask needs no parent
    assert flags(runs[0])["--criterion"] == "label_smoothed_cross_entropy"


def test_the_last_checkpoint_teaches_where_that_is_asked_for():
    run = expand(distilling(teacher={"checkpoint": "last"}))[1]
    assert flags(run)["--teacher"] == "runs/dense-seed1/checkpoint_last.pt"


def test_only_those_that_are_named():
    assert taught(distilling(teacher={"only": ["mp"]})) == {"mp-50", "mp-80", "mp-90"}
    only_longer = taught(distilling(teacher={"only": ["dense-longer"]}))
    assert only_longer
    assert all(name.startswith("dense-longer-x") for name in only_longer)


def test_a_variant_has_a_teacher_of_its_own():
    mine = {"name": "mine", "like": "mp", "teacher": {"word": 1}}
    recipe = distilling(techniques=["mp", mine])
    assert taught(recipe) == {"mine-50", "mine-80", "mine-90"}
    (run,) = (run for run in expand(recipe) if run.name == "mine-80-seed1")
    assert float(flags(run)["--teacher-word"]) == 1


def test_a_variant_may_do_without():
    alone = {"name": "alone", "like": "mp", "teacher": None}
    assert not any(name.startswith("alone") for name in taught(distilling(techniques=["mp", alone], teacher={})))


def test_start_rounds_are_those_of_the_other_technique():
    mine = {"name": "mine", "like": "slt-mp", "teacher": {}}
    assert taught(distilling(techniques=["slt", "slt-mp", mine], start_rounds={"slt-mp": [50]})) == {
        "mine-80",
        "mine-90",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher": {"word": 0}}, "with word 0 and hidden 0 it teaches nothing"),
        ({"teacher": {"word": 50}}, "less than or equal to 1"),
        ({"teacher": {"temperature": 0}}, "greater than 0"),
        ({"teacher": {"sequence": True}}, "Extra inputs"),
        ({"teacher": {"only": ["mpp"]}}, "teacher.only: 'mpp' is none of mp, slt, slt-mp, dense-longer, random"),
        ({"techniques": [{"name": "m", "like": "mp", "teacher": {"only": ["m"]}}]}, "only says for a whole recipe"),
        (
            {"teacher": {}, "training": {"max_update": 9, "criterion": "ctc"}},
            "teaches beside training.criterion cross_",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        distilling(**changes)
