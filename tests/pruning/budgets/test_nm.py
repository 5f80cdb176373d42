"""N of every M weights."""

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import prunable_matrices
from nmt_prune.pruning.budgets import budgets
from tests.toy import toy_model

WEIGHTS = {prunable: weight for prunable, weight in prunable_matrices(toy_model()).items() if prunable.in_body}
DENSE = MaskSet.dense(WEIGHTS)
SCORES = {prunable.name: weight.abs() for prunable, weight in WEIGHTS.items()}


@pytest.mark.parametrize(("keep", "of"), [(2, 4), (1, 4), (1, 2), (3, 4)])
def test_every_run_keeps_its_best(keep, of):
    masks = budgets.build(f"nm:keep={keep},of={of}").select(SCORES, DENSE, 1 - keep / of)
    for name in masks:
        for mask, score in zip(masks[name].view(-1, of), SCORES[name].view(-1, of), strict=True):
            assert mask.sum() == keep
            assert score[mask].min() >= score[~mask].max()


def test_ties_go_to_the_first_and_what_is_pruned_stays():
    masks = {prunable: torch.ones(prunable.shape, dtype=torch.bool) for prunable in WEIGHTS}
    first = next(iter(masks))
    masks[first][0, 0] = False
    zeros = {name: torch.zeros_like(score) for name, score in SCORES.items()}
    found = budgets.build("nm").select(zeros, MaskSet(masks), 0.5)[first.name]
    assert found[0, :4].tolist() == [False, True, True, False]
    assert found[1:].view(-1, 4).tolist() == [[True, True, False, False]] * (found[1:].numel() // 4)


@pytest.mark.parametrize(
    ("spec", "sparsity", "message"),
    [
        ("nm", 0.8, r"2 of 4 is sparsity 0\.5, not 0\.8"),
        ("nm:keep=4,of=4", 0.5, "keep=4 must lie between 0 and of=4"),
        ("nm:keep=0", 0.5, "keep=0 must lie between"),
        ("nm:floor=0.5", 0.5, "every run of 4 keeps 2; leave floor=0.5 out"),
        ("nm:keep=5,of=10", 0.5, "has 8 columns, not a multiple of of=10"),
    ],
)
def test_what_makes_no_pattern_is_refused(spec, sparsity, message):
    with pytest.raises(PruneError, match=message):
        budgets.build(spec).select(SCORES, DENSE, sparsity)


def test_diverged_weights_are_refused_by_name():
    name = next(iter(SCORES))
    scores = {**SCORES, name: torch.full_like(SCORES[name], torch.nan)}
    with pytest.raises(PruneError, match=f"the saliency of {name} is NaN"):
        budgets.build("nm").select(scores, DENSE, 0.5)
