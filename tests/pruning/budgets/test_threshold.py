"""What is too small goes, however much that is."""

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import parse
from nmt_prune.pruning.budgets import budgets

FC1 = parse("encoder.layers.0.fc1.weight", (2, 2))
SCORES = {FC1.name: torch.tensor([[1e-6, 1e-5], [3.0, 0.0]])}


def test_what_is_below_goes_and_what_is_gone_stays_gone():
    masks = budgets.build("threshold").select(SCORES, MaskSet.dense([FC1]), 0.0)
    assert masks[FC1.name].tolist() == [[False, True], [True, False]]
    again = budgets.build("threshold:below=1e-7").select(SCORES, masks, 0.5)
    assert again == masks


@pytest.mark.parametrize(
    ("spec", "message"),
    [("threshold", "drop --sparsity 0.5"), ("threshold:below=0", "below=0"), ("threshold:floor=0.1", "no floor")],
)
def test_it_goes_with_nothing_else_that_decides(spec, message):
    with pytest.raises(PruneError, match=message):
        budgets.build(spec).select(SCORES, MaskSet.dense([FC1]), 0.5)
