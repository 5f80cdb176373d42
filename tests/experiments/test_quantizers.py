"""Weight penalty clipping and quantization in recipes."""

from pathlib import Path

import pytest

from nmt_prune.experiments.commands import Places, Programs, quantize_command, score_command
from nmt_prune.experiments.expansion import expand
from nmt_prune.quantization import quantizers
from nmt_prune.regularisers import regularisers
from nmt_prune.techniques import techniques
from tests.experiments.recipes import make_recipe

QUANTIZED = ["wpc", "ternary", "int8", "int4"]
PLACES = Places(Path("runs"), Path("data"), Programs(score=("S",), quantize=("Q",)))


def expanded(**changes):
    return {run.name: run for run in expand(make_recipe(**{"techniques": QUANTIZED, "ladder": [50, 80], **changes}))}


def test_they_train_on_from_the_dense_model_and_then_from_rung_to_rung():
    runs = expanded(extension=None)
    for technique in QUANTIZED:
        first, second = (runs[f"{technique}-{percent}-seed1"] for percent in (50, 80))
        assert (first.parent, first.first_update, first.updates) == ("dense-seed1", 100, 100)
        assert (second.parent, second.first_update) == (f"{technique}-50-seed1", 200)
        assert first.settings["pruning"]["mask_from"] == "dense-seed1/checkpoint_last.pt"
        assert first.settings["pruning"]["clock"] == "keep"


def test_the_penalty_lasts_until_the_mask_is_made_and_weights_are_ternary_from_then_on():
    runs = expanded(group="element", prune_end=0.7)
    for percent, at in ((50, 170), (80, 270)):
        pruning = runs[f"wpc-{percent}-seed1"].settings["pruning"]
        assert pruning["schedule"] == f"oneshot:at={at}"
        assert pruning["group"] == "block:rows=1,columns=16"
        assert pruning["regulariser"] == "clipped-group-lasso:step=proximal"
        assert pruning["quantizer"] == "ternary:after_pruning=true,beta=0.03"


def test_both_stages_of_weight_penalty_clipping_are_as_long_unless_the_recipe_says_otherwise():
    runs = expanded()
    for percent, at in ((50, 150), (80, 250)):
        assert runs[f"wpc-{percent}-seed1"].settings["pruning"]["schedule"] == f"oneshot:at={at}"


def test_at_0_percent_the_dense_model_is_quantized_and_nothing_else_is_added():
    names = {"dense-seed1", *(f"{technique}-{percent}-seed1" for technique in QUANTIZED for percent in (0, 50, 80))}
    few, more = (expanded(ladder=ladder, techniques=[*QUANTIZED, "mp"]) for ladder in ([50, 80], [0, 50, 80]))
    assert more.keys() == names | {"mp-50-seed1", "mp-80-seed1"}
    assert all(more[name].settings == run.settings for name, run in few.items())
    run = more["int8-0-seed1"]
    assert (run.technique, run.sparsity, run.parent, run.total_updates) == ("int8", 0.0, "dense-seed1", 200)
    flags = {key: run.settings["pruning"][key] for key in ("sparsity", "quantizer", "clock", "mask_from")}
    assert flags == {
        "sparsity": "0",
        "quantizer": "uniform",
        "clock": "keep",
        "mask_from": "dense-seed1/checkpoint_last.pt",
    }
    assert more["dense-seed1"].also == ()


def test_their_entries_exist():
    built = {technique: quantizers.build(techniques[technique].flags["quantizer"]) for technique in QUANTIZED}
    assert {technique: type(quantizer).__name__ for technique, quantizer in built.items()} == {
        "wpc": "Ternary",
        "ternary": "Ternary",
        "int8": "Uniform",
        "int4": "Uniform",
    }
    assert (built["int8"].weight_bits, built["int4"].weight_bits) == (8, 4)
    assert type(regularisers.build(techniques["wpc"].flags["regulariser"])).__name__ == "ClippedGroupLasso"


def test_scored_is_the_quantized_checkpoint():
    run = expanded()["int4-50-seed1"]
    folder = "runs/int4-50-seed1"
    assert quantize_command(run, PLACES) == [
        *["Q", f"{folder}/checkpoint_best.pt", "--out", f"{folder}/checkpoint_quantized.pt"]
    ]
    assert score_command(run, PLACES)[:3] == ["S", "--checkpoint", f"{folder}/checkpoint_quantized.pt"]
    dense = expanded()["dense-seed1"]
    assert score_command(dense, PLACES)[2] == "runs/dense-seed1/checkpoint_best.pt"


@pytest.mark.slow
def test_the_plan_is_carried_out(tmp_path):
    from nmt_prune.experiments.runner import run_plan
    from tests.experiments.laboratory import Laboratory

    laboratory = Laboratory(tmp_path)
    run_plan(laboratory.plan(techniques=["int8"], ladder=[50]), cores=2)
    assert [call["arguments"][0][-18:] for call in laboratory.calls("quantize")] == ["checkpoint_best.pt"]
    assert sorted(call["run"] for call in laboratory.calls("score")) == ["dense-seed1", "int8-50-seed1"]
    assert (laboratory.runs / "int8-50-seed1" / "checkpoint_quantized.pt").exists()
