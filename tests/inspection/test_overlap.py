"""Comparing two masks, with the counts worked out by hand."""

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.inspection.overlap import overlaps
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import parse

EMBEDDING = parse("encoder.embed_tokens.weight", (3, 2))
FC1 = parse("encoder.layers.0.fc1.weight", (2, 5))


def masks(embedding: list[list[int]], matrix: list[list[int]]) -> MaskSet:
    return MaskSet({EMBEDDING: torch.tensor(embedding).bool(), FC1: torch.tensor(matrix).bool()})


FIRST = masks([[1, 1], [0, 0], [0, 0]], [[1, 1, 1, 1, 0], [0, 0, 0, 0, 0]])
SECOND = masks([[1, 0], [0, 0], [0, 1]], [[1, 1, 0, 0, 0], [1, 1, 1, 0, 0]])


def test_counts_leave_the_padding_row_out():
    embedding, matrix, total = overlaps(FIRST, SECOND)
    assert (embedding.size, embedding.first, embedding.second, embedding.both) == (4, 2, 2, 1)
    assert (matrix.size, matrix.first, matrix.second, matrix.both) == (10, 4, 5, 2)
    assert (total.name, total.size, total.first, total.second, total.both) == ("total", 14, 6, 7, 3)


def test_jaccard_and_chance_by_hand():
    embedding, matrix, total = overlaps(FIRST, SECOND)
    assert (embedding.jaccard, matrix.jaccard, total.jaccard) == (1 / 3, 2 / 7, 3 / 10)
    # Expected in common by chance: 4 · 5 / 10 = 2 of 4 + 5 - 2.
    assert matrix.chance == pytest.approx(2 / 7)
    assert embedding.chance == pytest.approx(1 / 3)
    assert matrix.sign_agreement is None


def test_signs_are_compared_where_both_have_a_weight():
    ones = {EMBEDDING: torch.ones(3, 2), FC1: torch.ones(2, 5)}
    mixed = {EMBEDDING: -torch.ones(3, 2), FC1: torch.tensor([[1.0, -1, -1, -1, -1], [-1, -1, -1, -1, -1]])}
    embedding, matrix, total = overlaps(FIRST, SECOND, (ones, mixed))
    assert (embedding.same_sign, matrix.same_sign, total.same_sign) == (0, 1, 1)
    assert (embedding.sign_agreement, matrix.sign_agreement, total.sign_agreement) == (0, 0.5, 1 / 3)


def test_equal_empty_and_full_masks():
    empty = masks([[0, 0]] * 3, [[0] * 5] * 2)
    full = MaskSet.dense([EMBEDDING, FC1])
    assert [row.jaccard for row in overlaps(FIRST, FIRST)] == [1, 1, 1]
    assert [row.jaccard for row in overlaps(empty, empty)] == [1, 1, 1]
    assert [(row.jaccard, row.chance) for row in overlaps(full, full)] == [(1, 1)] * 3
    assert [row.jaccard for row in overlaps(empty, full)] == [0, 0, 0]


def test_masks_of_other_matrices_are_refused():
    with pytest.raises(PruneError, match=r"the first mask: encoder\.layers\.0\.fc1\.weight"):
        overlaps(FIRST, MaskSet.dense([EMBEDDING]))
