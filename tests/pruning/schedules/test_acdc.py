"""Phases by turns: the epochs of Peste et al. 2021, worked out by hand."""

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.pruning.schedules import schedules
from nmt_prune.pruning.schedules.acdc import AcDc


def build(spec: str, max_update: int = 100, inherited: float = 0.0) -> AcDc:
    return schedules.build(spec, final=0.9, inherited=inherited, max_update=max_update)


def changes(schedule: AcDc) -> list[int]:
    return [update for update in range(101) if schedule.changes_at(update)]


def test_the_phases_of_imagenet():
    """100 epochs: dense, from 10 on 5 sparse and 5 dense; dense from 75 to 85, then sparse for good."""
    schedule = build("acdc")
    assert changes(schedule) == [10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 85]
    assert schedule.settled_at == 85
    sparse = [update for update in range(101) if schedule.sparsity(update) == 0.9]
    assert sparse == [*(10 * ten + one for ten in range(1, 8) for one in range(5)), *range(85, 101)]
    assert {schedule.sparsity(update) for update in range(101)} == {0.0, 0.9}
    assert (schedule.is_over(84), schedule.is_over(85)) == (False, True)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("acdc:begin=4,phase=3,end=16", [4, 7, 10, 13, 16]),
        ("acdc:begin=4,phase=3,end=15", [4, 7, 15]),  # after a sparse phase from 10 to 13 no dense one of 3 fits in
        ("acdc:begin=1,phase=1,end=3", [1, 2, 3]),
    ],
)
def test_phases_of_other_lengths(spec, expected):
    assert changes(build(spec)) == changes(build(spec, max_update=0)) == expected


@pytest.mark.parametrize(
    ("spec", "settings", "message"),
    [
        ("acdc:begin=1,phase=1", {"max_update": 0}, "give --max-update, or all of begin=, phase= and end="),
        ("acdc", {"inherited": 0.5}, "training starts 0.5 sparse: start from a dense checkpoint"),
        ("acdc:begin=0", {}, "begin=0 and phase=5 must be at least 1"),
        ("acdc:phase=0", {}, "begin=10 and phase=0 must be at least 1"),
        ("acdc:phase=38", {}, "no sparse and dense phase of 38 updates each fit in between begin=10 and end=85"),
        ("acdc:end=101", {}, "end=101 lies after --max-update 100"),
    ],
)
def test_what_makes_no_sense_is_refused(spec, settings, message):
    with pytest.raises(PruneError, match=f"^schedule acdc.*{message}"):
        build(spec, **settings)
