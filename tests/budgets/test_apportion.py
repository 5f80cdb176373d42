"""Sharing places in proportion, between floors and capacities, exactly."""

import random

import pytest

from nmt_prune.budgets import apportion, kept_count
from nmt_prune.errors import PruneError


@pytest.mark.parametrize(
    ("weights", "capacities", "floors", "count", "expected"),
    [
        ([1, 3], [100, 100], [0, 0], 8, [2, 6]),
        ([1, 1, 1], [9, 9, 9], [0, 0, 0], 2, [1, 1, 0]),  # equal remainders: the first ones
        ([1, 1, 2], [1, 10, 10], [0, 0, 0], 9, [1, 3, 5]),  # 1, then 8 as 2.67 : 5.33
        ([1, 9], [100, 100], [5, 0], 10, [5, 5]),
        ([2, 3], [7, 5], [0, 0], 12, [7, 5]),
        ([2, 3], [7, 5], [0, 0], 0, [0, 0]),
        ([1, 2], [4, 4], [3, 1], 4, [3, 1]),
        ([5], [3], [0], 2, [2]),
    ],
)
def test_by_hand(weights, capacities, floors, count, expected):
    assert apportion(weights, capacities, floors, count) == expected


@pytest.mark.parametrize("seed", range(5))
def test_random_cases_are_exact_within_bounds_and_in_proportion(seed):
    draw = random.Random(seed)
    for _ in range(60):
        size = draw.randint(1, 12)
        scale = draw.choice([10, 1000, 20_000_000])
        weights = [draw.uniform(0.01, 1) * scale for _ in range(size)]
        capacities = [draw.choice([0, draw.randint(0, scale)]) for _ in range(size)]
        floors = [draw.choice([0, 0, draw.randint(0, capacity)]) for capacity in capacities]
        count = draw.randint(sum(floors), sum(capacities))
        places = apportion(weights, capacities, floors, count)
        assert sum(places) == count
        assert all(f <= p <= c for f, p, c in zip(floors, places, capacities, strict=True))
        # Who is between its bounds has the same places per weight as the others, to within one place; who is at its
        # floor would have fewer, who is at its capacity more.
        free = [i for i in range(size) if floors[i] + 1 < places[i] < capacities[i] - 1]
        rate = sum(places[i] for i in free) / sum(weights[i] for i in free) if free else None
        if rate is not None:
            assert all(abs(places[i] - rate * weights[i]) <= 1.01 for i in free)
            assert all(rate * weights[i] <= places[i] + 2 for i in range(size) if places[i] < capacities[i])
            assert all(rate * weights[i] >= places[i] - 2 for i in range(size) if places[i] > floors[i])


@pytest.mark.parametrize(("count", "floors"), [(13, [0, 0]), (4, [3, 2])])
def test_what_cannot_be_shared_is_refused(count, floors):
    with pytest.raises(PruneError, match=f"{count} of 12 cannot survive: .* keeps a floor, {sum(floors)} in all"):
        apportion([1, 1], [7, 5], floors, count)


@pytest.mark.parametrize(
    ("size", "sparsity", "kept"),
    [
        (10, 0.75, 3),
        (10, 0.9, 1),
        (10, 0.96, 0),
        (1232, 0.8, 246),
        (3, 0.5, 2),
        (7, 0.0, 7),
        (61_000_000, 0.98, 1_220_000),
    ],
)
def test_kept_counts_are_rounded_half_up(size, sparsity, kept):
    assert kept_count(size, sparsity) == kept


def test_a_sparsity_that_was_measured_gives_back_its_count():
    draw = random.Random(0)
    for _ in range(5000):
        size = draw.randint(1, 250_000_000)
        kept = draw.randint(1, size)
        assert kept_count(size, 1 - kept / size) == kept
