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


def test_the_legend_names_it():
    noted = replace(results(row("mp", 0.5, 20.0, 800)), variants={"mp": "saliency snip"})
    assert "MP: saliency snip." in legend(noted)
