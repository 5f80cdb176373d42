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
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines()[4:]]


def test_same_seed_and_sparsity():
    section = difference_section(ROWS, "random")
    assert section.startswith(
        "## BLEU minus that of: random mask\n\n| technique   |   sparsity |   seed 1 |   seed 2 |"
    )
    assert cells(section) == [
        ["MP", "50 %", "+0.0", "–", "+0.0"],
        ["SLT", "50 %", "+3.0", "+5.0", "+4.0"],
        ["SLT-MP", "50 %", "+0.0", "–", "+0.0"],
    ]


def test_the_dense_model_trained_on_is_compared_at_equal_updates():
    assert cells(difference_section(ROWS, "dense-longer")) == [
        ["SLT", "50 %", "-1.0", "–", "-1.0"],
        ["SLT", "80 %", "-9.0", "–", "-9.0"],
        ["random mask", "50 %", "-4.0", "–", "-4.0"],
    ]


def test_the_dense_model_is_compared_with_all_and_subnetworks_with_each_other():
    assert [line[:2] for line in cells(difference_section(ROWS, "dense"))] == [
        *(["MP", "50 %"], ["SLT", "50 %"], ["SLT", "80 %"], ["SLT-MP", "50 %"]),
        *(["dense, trained on", "0 %"], ["dense, trained on", "0 %"], ["random mask", "50 %"]),
    ]
    assert cells(difference_section(ROWS, "subnetwork-random")) == [["good, retrained", "–", "–", "+0.5", "+0.5"]]


def test_in_the_report():
    text = report_text(results(*ROWS), ["random", "dense"])
    assert text.index("## BLEU minus that of: random mask") < text.index("## BLEU minus that of: dense")
    assert "minus" not in report_text(results(*ROWS))
    check_against(ROWS, "slt-mp")
    with pytest.raises(PruneError, match="--against clt: no scored run is of this technique; there are dense, mp, slt"):
        check_against(ROWS, "clt")
