"""Who is taught by the dense run, and by which flags."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nmt_prune.errors import PruneError
from nmt_prune.experiments.planning.commands import Places, distill_command, train_arguments
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
        ({"teacher": {"sequence": {"beam": 2, "best_of": 3}}}, "best_of 3 is more than beam 2; widen the beam"),
        ({"techniques": [{"name": "a", "like": "mp", "training": {"max-update": 3}}]}, "remove max_update"),
        ({"teacher": {"only": ["mpp"]}}, "teacher.only: 'mpp' is none of mp, slt, slt-mp, dense-longer, random"),
        ({"techniques": [{"name": "m", "like": "mp", "teacher": {"only": ["m"]}}]}, "only says for a whole recipe"),
        (
            {"teacher": {}, "training": {"max_update": 9, "criterion": "ctc"}},
            "word and hidden stand beside training.criterion cross_",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        distilling(**changes)


def test_weights_of_no_known_type_are_refused():
    with pytest.raises(PruneError, match="--values in8: choose from float32"):
        distilling(teacher={"sequence": {"values": "in8"}})


def test_translations_teach_with_any_criterion():
    training = {"max_update": 9, "criterion": "ctc"}
    runs = expand(distilling(teacher={"word": 0, "sequence": True}, training=training, controls=[]))
    assert flags(next(run for run in runs if run.technique == "mp"))["--criterion"] == "ctc"


def test_by_sequences():
    """One translation of the training data for all that learn from it alike; words are as they were."""
    both = {"name": "both", "like": "mp", "teacher": {"sequence": {"best_of": 3}}}
    recipe = distilling(techniques=["mp", "slt", both], teacher={"word": 0, "sequence": True}, controls=[])
    runs = {run.name: run for run in expand(recipe)}
    data, other = (runs[name] for name in ("distilled-seed1", "distilled-best-of-3-seed1"))
    assert [run.after for run in (data, other)] == [("dense-seed1",)] * 2
    assert not data.is_scored
    command = distill_command(other, PLACES)
    assert command[-10:] == [
        *["--teacher", "runs/dense-seed1/checkpoint_best.pt", "--data", "data"],
        *["--out", "runs/distilled-best-of-3-seed1/data", "--best-of", "3", "--workers", "1"],
    ]
    learning = {"mp-50-seed1": data, "slt-90-seed1": data, "both-80-seed1": other}
    for name, folder in learning.items():
        assert folder.name in runs[name].after
        assert train_arguments(runs[name], PLACES)[0] == f"runs/{folder.name}/data"
        assert (flags(runs[name])["--criterion"] == "distilled_cross_entropy") == (folder is other)
    assert train_arguments(runs["dense-seed1"], PLACES)[0] == "data"


def test_students_of_other_models_change_nothing_of_the_translation():
    """It is made once, and adding such a student to a recipe that has begun leaves it as it is."""
    shallow = {"name": "shallow", "like": "dense", "model": {"decoder-layers": 1}}
    alone, both = (
        {run.name: run for run in expand(distilling(techniques=listed, teacher={"word": 0, "sequence": True}))}
        for listed in (["mp"], ["mp", shallow])
    )
    assert both["distilled-seed1"] == alone["distilled-seed1"]
    assert train_arguments(both["shallow-seed1"], PLACES)[0] == "runs/distilled-seed1/data"


def test_a_student_of_another_model_learns_from_the_dense_one():
    student = {"name": "student", "like": "dense", "model": {"decoder-layers": 1}, "teacher": {}}
    (run,) = (run for run in expand(distilling(techniques=[student])) if run.technique == "student")
    assert flags(run)["--teacher"] == "runs/dense-seed1/checkpoint_best.pt"
    assert flags(run)["--decoder-layers"] == "1"


def test_translations_of_different_kinds_stay_apart():
    """Also where a student of another model, whose runs are expanded by themselves, has one of its own."""
    student = {"name": "student", "like": "dense", "model": {"decoder-layers": 1}, "teacher": {"sequence": True}}
    recipe = distilling(techniques=["mp", student], teacher={"sequence": {"beam": 3}}, controls=[])
    runs = {run.name: run for run in expand(recipe)}
    assert train_arguments(runs["student-seed1"], PLACES)[0] == "runs/distilled-seed1/data"
    assert train_arguments(runs["mp-50-seed1"], PLACES)[0] == "runs/distilled-beam-3-seed1/data"
    assert [runs[f"distilled{kind}-seed1"].settings["distill"].get("beam") for kind in ("", "-beam-3")] == [None, 3]


@pytest.mark.usefixtures("fairseq_starts_at_once")
def test_small_dense_models_are_taught_like_others():
    recipe = distilling(
        techniques=["mp"], controls=["small-dense"], teacher={}, corpus={"name": "numbers", "vocab_size": 150}
    )
    small = [run for run in expand(recipe) if run.technique == "small-dense"]
    assert len(small) == 3
    assert all("teacher" in run.settings for run in small)


def test_flags_of_a_variant():
    mine = {"name": "mine", "like": "mp", "training": {"sparse-lr": 1, "lr": 0.1}}
    runs = {run.name: flags(run) for run in expand(distilling(techniques=["mp", mine]))}
    assert runs["mine-50-seed1"]["--sparse-lr"] == "1"
    assert runs["mine-50-seed1"]["--lr"] == "0.1"
    assert "--sparse-lr" not in runs["mp-50-seed1"]
