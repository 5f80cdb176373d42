"""Variants of techniques with another model, e.g. a shallow decoder."""

import pytest
from pydantic import ValidationError

from nmt_prune.evaluation.records.run import RunRecord
from nmt_prune.evaluation.reports.variants import variants
from nmt_prune.experiments.planning.expansion import expand
from tests.experiments.recipes import make_recipe

MODEL = {"arch": "masked_transformer_tiny", "share_all_embeddings": True}


def runs_of(*listed, **changes):
    recipe = make_recipe(model=MODEL, ladder=[50, 80], techniques=list(listed), **changes)
    return {run.name: run for run in expand(recipe)}


def shallow(like, **keys):
    return {"name": "shallow", "like": like, "model": {"decoder-layers": 1, "encoder-layers": 12}, **keys}


def test_a_dense_student_is_trained_from_scratch_once():
    runs = runs_of("mp", shallow("dense"))
    assert set(runs) == {"dense-seed1", "mp-50-seed1", "mp-80-seed1", "shallow-seed1"}
    run, dense = runs["shallow-seed1"], runs["dense-seed1"]
    assert run.settings["model"] == MODEL | {"decoder_layers": 1, "encoder_layers": 12}
    assert dense.settings["model"] == MODEL
    assert (run.technique, run.parent, run.sparsity, run.total_updates) == ("shallow", None, 0.0, 100)
    assert {**run.settings, "model": None} == {**dense.settings, "model": None}


def test_a_technique_on_fresh_weights_needs_no_dense_run_of_that_model():
    runs = runs_of(shallow("mp"))
    assert set(runs) == {"dense-seed1", "shallow-50-seed1", "shallow-80-seed1"}
    run = runs["shallow-80-seed1"]
    assert (run.technique, run.parent, run.settings["model"]["decoder_layers"]) == ("shallow", None, 1)


def test_what_a_technique_follows_from_has_the_same_model():
    runs = runs_of("slt", "slt-mp", shallow("slt-mp", saliency="random"), seeds=[1, 2])
    names = [name for name in runs if name.startswith("shallow") and name.endswith("seed2")]
    assert names == [f"shallow-{name}-seed2" for name in ("dense", "slt-50", "60", "80")]
    assert all(runs[name].settings["model"]["decoder_layers"] == 1 for name in names)
    assert runs["shallow-80-seed2"].parent == "shallow-60-seed2"
    assert runs["shallow-slt-50-seed2"].parent == "shallow-dense-seed2"
    assert runs["shallow-dense-seed2"].technique == "shallow-dense"
    assert runs["slt-mp-80-seed2"].settings["model"] == MODEL
    keys = [(run.technique, run.sparsity, run.seed) for run in runs.values()]
    assert len(set(keys)) == len(keys)


def test_other_techniques_stay_as_they_are():
    alone, beside = runs_of("mp", "slt"), runs_of("mp", shallow("slt"), "slt")
    assert all(beside[name].settings == run.settings for name, run in alone.items())


def test_reports_say_what_differs():
    runs = runs_of("mp", shallow("dense"))
    records = [RunRecord(run.technique, run.sparsity, 1, 100, 100, settings=run.settings) for run in runs.values()]
    assert variants(records) == {"shallow": "model decoder-layers 1, encoder-layers 12"}


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        (shallow("dense", saliency="random"), "is dense and has no saliency"),
        ({"name": "shallow", "like": "dense"}, "'shallow' is 'dense'; say what differs"),
        (shallow("small-dense"), "'small-dense' has no variants"),
        (shallow("mp-scratch"), "as long as the techniques of the recipe's model"),
        ({"name": "shallow", "like": "dense", "model": {"seed": 3}}, "seed is set for each run by the plan"),
        ({"name": "shallow", "like": "dense", "model": 3}, "model"),
    ],
)
def test_what_makes_no_sense_is_refused(variant, expected):
    with pytest.raises(ValidationError, match=expected):
        runs_of(variant)
