"""What a report says about techniques that are not as the table has them."""

from dataclasses import replace

from nmt_prune.evaluation.records.run import RunRecord
from nmt_prune.evaluation.reports.tables.legend import legend
from nmt_prune.evaluation.reports.variants import variants
from tests.evaluation.samples import results, row


def record(technique, **pruning):
    return RunRecord(technique, 0.5, 1, 100, 200, settings={"pruning": pruning})


def test_only_what_differs_is_named():
    found = variants(
        [
            record("slt", saliency="magnitude", schedule="constant", reset="rewind"),
            record("mp", saliency="snip", schedule="cubic:initial=0,end=80,interval=2"),
            record("snip", saliency="snip", schedule="constant"),
            record("mine", saliency="row-scaled:power=1", schedule="ramp:interval=5"),
            record("dense-longer", mask_from="dense-seed1/checkpoint_last.pt", reset="keep"),
        ]
    )
    assert found == {
        "mp": "saliency snip",
        "mine": "saliency row-scaled:power=1, schedule ramp:interval=5, reset keep",
    }


def test_a_start_round_does_not_speak_for_a_technique():
    rounds = [replace(record("slt-mp", saliency="magnitude", schedule="constant", reset="rewind"), sparsity=0.2)]
    last = record("slt-mp", saliency="magnitude", schedule="cubic:initial=0,end=80,interval=2", reset="rewind")
    assert "slt-mp" not in variants([*rounds, last])


def test_variants_are_told_apart_by_all_that_they_have():
    dense = replace(record("dense"), sparsity=0.0, settings={"training": {"lr": 0.1, "max_update": 9}})

    def variant(name, teacher, training, **pruning):
        settings = {"pruning": {"saliency": "magnitude", **pruning}, "training": {"lr": 0.1, **training}}
        return replace(record(name), settings={**settings, "teacher": teacher})

    found = variants(
        [
            dense,
            variant("a", {}, {"max_update": 3}, budget="matrix:embedding=2"),
            variant("b", {}, {"sparse_lr": 0.5}),
            replace(record("adopted"), step="adopt", settings={"training": {"cpu": True}}),
            variant("c", {"word": 0.5, "hidden": 0.0, "sequence": "distilled-seed1"}, {}, prune_set="body"),
        ]
    )
    plain = "saliency magnitude, schedule constant, reset keep"
    assert found == {
        "a": f"{plain}, budget matrix:embedding=2",
        "b": f"{plain}, sparse-lr 0.5",
        "c": f"{plain}, prune-set body, teacher word 0.5, the teacher's translations",
    }


def test_the_legend_names_it():
    noted = replace(results(row("mp", 0.5, 20.0, 800)), variants={"mp": "saliency snip"})
    assert "MP: saliency snip." in legend(noted)
