import pytest

from nmt_prune.evaluation.quality.resamples import Difference
from nmt_prune.evaluation.reports.aggregates import Cell, aggregate
from nmt_prune.evaluation.reports.comparisons import pairs_against
from nmt_prune.techniques.labels import ordered
from tests.evaluation.samples import row


def test_mean_and_spread_by_hand():
    rows = [
        row("slt", 0.8, bleu, updates, seed=seed, delta=delta, p_value=0.01)
        for seed, (bleu, updates, delta) in enumerate([(20, 1600, -2), (21, 1600, -3), (25, 1700, -1)])
    ]
    cell = aggregate(rows)[Cell("slt", 0.8)]
    assert cell.bleu == 22
    assert cell.bleu_std == pytest.approx(7**0.5)  # (4 + 1 + 9) / 2
    assert cell.bleu_range == (20, 25)
    assert cell.bleu_delta == -2
    assert (cell.chrf, cell.ter) == (44, 78)
    assert cell.total_updates == (1600, 1700)
    assert cell.seeds == (0, 1, 2)


def test_one_seed_has_no_spread():
    assert aggregate([row("mp", 0.5, 20, 800)])[Cell("mp", 0.5)].bleu_std is None


@pytest.mark.parametrize(("p_holm", "significant"), [(0.049, True), (0.05, False)])
def test_significance_is_that_of_the_difference(p_holm, significant):
    difference = Difference(-1, -2, 0, p_value=0.01, seeds=2, p_holm=p_holm, comparisons=3)
    cells = aggregate([row("mp", 0.5, 20, 800), row("slt", 0.5, 20, 800)], {Cell("mp", 0.5): difference})
    mp, slt = cells[Cell("mp", 0.5)], cells[Cell("slt", 0.5)]
    assert (mp.difference, mp.significant) == (difference, significant)
    assert (slt.difference, slt.significant) == (None, False)


def test_a_shared_run_counts_for_each_technique():
    cells = aggregate([row("slt", 0.5, 20, 1600, also=("slt-mp",))])
    assert list(cells) == [Cell("slt", 0.5), Cell("slt-mp", 0.5)]
    assert cells[Cell("slt-mp", 0.5)].bleu == 20


def test_dense_controls_are_told_apart_by_their_updates():
    cells = aggregate([row("dense-longer", 0, 23, 1600), row("dense-longer", 0, 24, 2400), row("dense", 0, 22, 800)])
    assert list(cells) == [Cell("dense", 0), Cell("dense-longer", 0, 1600), Cell("dense-longer", 0, 2400)]


def test_seeds_of_a_dense_control_stand_together_wherever_their_trainings_ended():
    """``--patience`` ends them at different updates."""
    ended = {1: 1500, 2: 1580, 3: 1600}
    rows = [row("dense-longer", 0, 23, total, seed=seed, planned_total=1600) for seed, total in ended.items()]
    rows += [row("slt", 0.5, 24, total - 40, seed=seed, planned_total=1600) for seed, total in ended.items()]
    control = aggregate(rows)[Cell("dense-longer", 0, 1600)]
    assert control.seeds == (1, 2, 3)
    assert control.total_updates == (1500, 1600)
    (pairs,) = pairs_against(rows, "dense-longer").values()
    assert {seed: other.total_updates for seed, (_, other) in pairs.items()} == ended


def test_order_of_the_paper_then_others_by_name():
    names = ["zeta", "mp-slt", "random", "alpha", "mp", "dense", "slt", "lt", "mp"]
    assert ordered(names) == ["dense", "mp", "lt", "slt", "mp-slt", "random", "alpha", "zeta"]
