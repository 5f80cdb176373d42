"""Gradual pruning whose mask moves: Liu et al. 2021, worked out by hand."""

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import parse
from nmt_prune.pruning.budgets import budgets
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency import saliencies
from nmt_prune.pruning.schedules import schedules
from nmt_prune.pruning.schedules.granet import GraNet
from nmt_prune.training.regrowth import regrown

NAME = "encoder.layers.0.fc1.weight"


def build(spec: str, final: float = 0.8, max_update: int = 100) -> GraNet:
    return schedules.build(spec, final=final, max_update=max_update)


def test_it_is_cubic_with_moves_in_between():
    schedule, cubic = build("granet:interval=20"), build("cubic:interval=20")
    assert [schedule.sparsity(update) for update in range(101)] == [cubic.sparsity(update) for update in range(101)]
    assert [update for update in range(101) if schedule.changes_at(update)] == [20, 40, 60, 80]
    assert [update for update in range(101) if schedule.moves_at(update)] == [20, 40, 60], "the last mask is final"
    # 0.5 / 2 · (1 + cos) at 45°, 90° and 135°
    assert [schedule.moving_share(update) for update in (20, 40, 60)] == pytest.approx(
        [0.426777, 0.25, 0.073223], abs=1e-6
    )


def test_its_settings():
    schedule = build("granet:begin=10,end=50,interval=10,share=0.2")
    assert [update for update in range(101) if schedule.moves_at(update)] == [20, 30, 40]
    assert schedule.moving_share(30) == pytest.approx(0.1)


def test_one_change_by_hand():
    """8 weights, to be 75 % sparse at update 100: at update 50 with exponent 1, 5 of 8 are left, then r = 1/4 move."""
    schedule = build("granet:end=100,interval=50,exponent=1", final=0.75)
    fc1 = parse(NAME, (2, 4))
    weights = {fc1: torch.tensor([[8.0, -7.0, 1.0, 6.0], [2.0, -5.0, 4.0, 3.0]])}
    pruner = Pruner(saliencies.build("magnitude"), budgets.build("matrix"))
    masks = pruner.prune(weights, MaskSet.dense(weights), schedule.sparsity(50))
    assert masks[NAME].int().tolist() == [[1, 1, 0, 1], [0, 1, 1, 0]]
    slopes = {NAME: torch.tensor([[9.0, 9.0, 0.1, 9.0], [-0.3, 9.0, 0.05, 0.2]])}
    moved = regrown({NAME: weights[fc1]}, slopes, masks, [fc1], schedule.moving_share(50))
    # A quarter of 5 is one weight: 4 goes, and where 2 was the gradient is largest.
    assert moved[NAME].int().tolist() == [[1, 1, 0, 1], [1, 1, 0, 0]]


@pytest.mark.parametrize("share", [0, 1.5, -0.1])
def test_a_share_is_a_share(share):
    with pytest.raises(PruneError, match=rf"schedule granet: share={share} is outside \(0, 1\]"):
        build(f"granet:share={share}")
