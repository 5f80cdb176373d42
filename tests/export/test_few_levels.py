"""Rows whose weights have few levels are told from others."""

import numpy as np
import pytest

from nmt_prune.export.few_levels import levels_of_rows


@pytest.mark.parametrize("scale", [1, 0.013, 1e-30, 1e30])
@pytest.mark.parametrize(
    ("codes", "levels"),
    [
        ([0, 0, 0, 0], 0),
        ([-1, 0, 1, 1], 1),
        ([-2, 0, 2, 2], 1),
        ([3, -2, 0, 1], 3),
        ([-8, 7, 3, 0], 8),
        ([127, -126, 1, 64], 0),
        ([9, -7, 1, 0], 0),
    ],
)
def test_the_largest_code(codes, levels, scale):
    weight = np.array([codes, [0, 0, 0, 0]], np.float32) * np.float32(scale)
    assert levels_of_rows(weight).tolist() == [levels, 0]


def test_the_smallest_numbers_are_not_divided_by():
    assert levels_of_rows(np.full((1, 4), 1e-40, np.float32)).tolist() == [0]
