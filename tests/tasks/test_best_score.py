"""What fairseq remembers of validation scores while the mask grows."""

from types import SimpleNamespace

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from nmt_prune.tasks.best_score import begin_without_best, forget_best


@pytest.mark.parametrize(("mode", "scores"), [("max", (0.0, 0.0, 0.0, 0.0)), ("min", (3.0, 4.0, 5.0, 6.0))])
@pytest.mark.parametrize("forgets", [True, False])
def test_scores_of_a_growing_mask_lower_no_learning_rate(mode, scores, forgets):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = SimpleNamespace(lr_scheduler=ReduceLROnPlateau(optimizer, mode=mode, patience=0, factor=0.5))
    for score in scores:
        if forgets:
            forget_best(scheduler)
        scheduler.lr_scheduler.step(score)
    assert (optimizer.param_groups[0]["lr"] == 1.0) == forgets


def test_where_nothing_has_been_scored_any_score_is_the_best():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = SimpleNamespace(lr_scheduler=ReduceLROnPlateau(optimizer, patience=0, factor=0.5))
    scheduler.lr_scheduler.best = None  # of a scheduler that follows no scores
    begin_without_best(scheduler).lr_scheduler.step(3.0)
    assert optimizer.param_groups[0]["lr"] == 1.0
    scheduler.lr_scheduler.step(4.0)
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_schedulers_without_scores_are_left_alone():
    forget_best(None)
    scheduler = SimpleNamespace(best=3)
    forget_best(scheduler)
    assert scheduler.best == 3
