"""Differences in BLEU to a technique, seed by seed."""

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.report import report_text
from nmt_prune.evaluation.reports.tables.differences import check_against, difference_section
from tests.evaluation.samples import results, row

ROWS = [
    *(row("dense", 0, 22.0 + seed, 800, seed=seed) for seed in (1, 2)),
    *(row("slt", 0.5, 21.0 + 2 * seed, 1600, seed=seed) for seed in (1, 2)),
    row("mp", 0.5, 20.0, 800, seed=1, also=("slt-mp",)),
    row("slt", 0.8, 15.0, 2400, seed=1),
    *(row("random", 0.5, 20.0, 1600, seed=seed) for seed in (1, 2)),
    *(row("dense-longer", 0, 24.0, updates, seed=1) for updates in (1600, 2400)),
    *(row(f"subnetwork-{name}", 0, bleu, 1600, seed=2) for name, bleu in (("good", 19.0), ("random", 18.5))),
]


def cells(section: str) -> list[list[str]]:
    """Of the table: technique, sparsity, seeds and mean."""
    lines = [line for line in section.splitlines()[4:] if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")][:-3] for line in lines]


def test_same_seed_and_sparsity():
    section = difference_section(results(*ROWS), "random").markdown()
    assert section.startswith(
        "## BLEU minus that of: random mask\n\n| technique   |   sparsity |   seed 1 |   seed 2 |"
    )
    assert cells(section) == [
        ["MP", "50 %", "+0.0", "–", "+0.0"],
        ["SLT", "50 %", "+3.0", "+5.0", "+4.0"],
        ["SLT-MP", "50 %", "+0.0", "–", "+0.0"],
    ]


def test_the_dense_model_trained_on_is_compared_at_equal_updates():
    assert cells(difference_section(results(*ROWS), "dense-longer").markdown()) == [
        ["SLT", "50 %", "-1.0", "–", "-1.0*"],
        ["SLT", "80 %", "-9.0", "–", "-9.0*"],
        ["random mask", "50 %", "-4.0", "–", "-4.0*"],
    ]


def test_the_dense_model_is_compared_with_all_and_subnetworks_else_with_each_other():
    assert [line[:2] for line in cells(difference_section(results(*ROWS), "dense").markdown())] == [
        *(["MP", "50 %"], ["SLT", "50 %"], ["SLT", "80 %"], ["SLT-MP", "50 %"]),
        *(["dense, trained on", "0 %"], ["dense, trained on", "0 %"], ["random mask", "50 %"]),
        *(["good, retrained", "–"], ["random, retrained", "–"]),
    ]
    assert cells(difference_section(results(*ROWS), "subnetwork-random").markdown()) == [
        ["good, retrained", "–", "–", "+0.5", "+0.5*"]
    ]


def test_mean_interval_and_p_values_over_seeds():
    """Differences of +2.9, +3.2 and +1.1 from sentences that say the same: Student's t of 3.66 with 2 degrees."""
    rows = [row("random", 0.5, 15.0, 800, seed=seed) for seed in (1, 2, 3)]
    rows += [row("slt", 0.5, 15.0 + delta, 800, seed=seed) for seed, delta in enumerate((2.9, 3.2, 1.1), 1)]
    rows += [row("mp", 0.5, 15.0 + delta, 800, seed=seed) for seed, delta in enumerate((2.9, 3.0, 3.1), 1)]
    section = difference_section(results(*rows), "random").markdown()
    mp, slt = (line.strip("|").split("|") for line in section.splitlines()[4:6])
    assert [cell.strip() for cell in mp[5:7]] == ["+3.0*", "+2.7 to +3.3"]
    assert slt[5].strip() == "+2.4"
    low, high = map(float, slt[6].split(" to "))
    assert (low, high) == (pytest.approx(2.4 - 2.8, abs=0.3), pytest.approx(2.4 + 2.8, abs=0.3))
    assert float(slt[7]) == float(slt[8]) == pytest.approx(0.067, abs=0.006)
    assert (float(mp[7]), float(mp[8])) == (pytest.approx(0.0004, abs=4e-4), pytest.approx(0.0008, abs=8e-4))
    assert "Student's t for the spread over seeds; p < 0.05, Holm's correction for 2 comparisons)" in section


def test_in_the_report():
    text = report_text(results(*ROWS), ["random", "dense"])
    assert text.index("## BLEU minus that of: random mask") < text.index("## BLEU minus that of: dense")
    assert "minus" not in report_text(results(*ROWS))
    check_against(ROWS, "slt-mp")
    with pytest.raises(PruneError, match="--against clt: no scored run is of this technique; there are dense, mp, slt"):
        check_against(ROWS, "clt")
