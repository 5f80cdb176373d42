"""Agreement of masks over seeds, against numbers by hand and by direct counting."""

import math
from itertools import combinations

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.inspection.stability import agreement, survivors
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import prunable_matrices
from nmt_prune.pruning.groups import groups

(FC1,) = prunable_matrices({"encoder.layers.0.fc1.weight": torch.zeros(1, 10)})
(EMBEDDING,) = prunable_matrices({"encoder.embed_tokens.weight": torch.zeros(3, 2)})
ELEMENT = groups.build("element")


def masks(*rows):
    return [MaskSet({FC1: torch.tensor([[cell == "1" for cell in row]])}) for row in rows]


def test_fleiss_and_cochran_by_hand():
    # Three masks of ten: votes 3, 3, 3, 2, 1, 0, 0, 0, 2, 1.
    found = agreement(masks("1111000010", "1111100010", "1110000001"), ELEMENT)
    assert (found.masks, found.groups, found.kept) == (3, 10, (5, 6, 4))
    # Six subjects agree fully (P = 1), four by two to one (P = 1/3). By chance two masks agree on a subject with
    # 5/10 · 6/10 + 5/10 · 4/10, 5/10 · 4/10 + 5/10 · 6/10 and 6/10 · 4/10 + 4/10 · 6/10.
    expected, by_chance = (6 + 4 / 3) / 10, (0.5 + 0.5 + 0.48) / 3
    assert found.fleiss_kappa == pytest.approx((expected - by_chance) / (1 - by_chance))
    # Q = (k-1) (k Σ G² - T²) / (k T - Σ L²) = 2 (3·77 - 225) / (45 - 37)
    assert found.cochran_q == pytest.approx(2 * (3 * 77 - 225) / (3 * 15 - 37))
    assert found.cochran_p == pytest.approx(math.exp(-1.5 / 2))  # two degrees of freedom
    assert (found.super_survivors, found.never) == (3, 3)
    jaccards = [5 / 6, 3 / 6, 3 / 7]
    assert found.jaccard == pytest.approx(sum(jaccards) / 3)


def test_equal_masks_agree_and_random_ones_do_not():
    same = agreement(masks("1100110011", "1100110011"), ELEMENT)
    assert (same.jaccard, same.fleiss_kappa) == (1, 1)
    (matrix,) = prunable_matrices({"encoder.layers.0.fc1.weight": torch.zeros(100, 100)})
    draws = [MaskSet({matrix: torch.rand(100, 100) < 0.3}) for _ in range(4)]
    found = agreement(draws, ELEMENT)
    assert abs(found.fleiss_kappa) < 0.02
    assert found.jaccard == pytest.approx(found.chance, abs=0.01)
    bits = [draw[matrix.name] for draw in draws]
    direct = [float((a & b).sum() / (a | b).sum()) for a, b in combinations(bits, 2)]
    assert found.jaccard == pytest.approx(sum(direct) / 6)


def test_cochran_is_left_out_where_all_masks_keep_the_same_number():
    found = agreement(masks("1100110011", "0011001111"), ELEMENT)
    assert (found.cochran_q, found.cochran_p) == (None, None)
    assert agreement(masks("1100110011", "0011001101"), ELEMENT).cochran_q == pytest.approx(1 / 9)


def test_fleiss_is_his_own_for_masks_of_one_size():
    # Votes 3, 2, 1, 0 of three masks with two of four: P = 1, 1/3, 1/3, 1, and half of the votes are "kept".
    found = agreement(masks("1100000000"[:10], "1010000000", "1100000000"), ELEMENT)
    votes, share = [3, 2, 1, *[0] * 7], 6 / 30
    agreeing = sum((vote**2 + (3 - vote) ** 2 - 3) / 6 for vote in votes) / 10
    by_chance = share**2 + (1 - share) ** 2
    assert found.fleiss_kappa == pytest.approx((agreeing - by_chance) / (1 - by_chance))


def test_full_and_empty_masks_have_no_kappa():
    assert math.isnan(agreement(masks("1111111111", "1111111111"), ELEMENT).fleiss_kappa)
    assert agreement(masks("0000000000", "0000000000"), ELEMENT).jaccard == 1


def test_padding_rows_do_not_count():
    draws = [MaskSet({EMBEDDING: torch.tensor(rows) == 1}) for rows in ([[1, 0]] * 3, [[0, 1]] * 3)]
    found = agreement(draws, ELEMENT)
    assert (found.groups, found.kept, found.super_survivors) == (4, (2, 2), 0)


def test_groups_are_counted_as_wholes():
    block = groups.build("block:columns=5")
    counts = survivors(masks("1000000000", "0000100001"), block)
    assert [count.tolist() for count in counts.values()] == [[[2, 1]]]


def test_one_mask_and_masks_of_other_models_are_refused():
    with pytest.raises(PruneError, match="two masks or more"):
        agreement(masks("1111111111"), ELEMENT)
    with pytest.raises(PruneError, match=r"mask 1, beside mask 2,.* is missing"):
        agreement([*masks("1111111111"), MaskSet.dense([EMBEDDING])], ELEMENT)
