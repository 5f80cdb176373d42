"""What a weight is worth."""

import pytest
import torch

from nmt_prune.masks.prunable import parse
from nmt_prune.pruning.saliency import saliencies

FC1 = parse("encoder.layers.0.fc1.weight", (2, 3))
FC2 = parse("encoder.layers.0.fc2.weight", (2, 3))


def test_magnitude_is_the_absolute_value_in_float32():
    weight = torch.tensor([[-2.0, 0.5, 0.0], [1.0, -0.25, 3.0]], dtype=torch.float16)
    score = saliencies.build("magnitude").score_matrix(FC1, weight)
    assert score.dtype == torch.float32
    assert score.tolist() == [[2, 0.5, 0], [1, 0.25, 3]]


def test_random_scores_depend_on_seed_and_name_and_on_nothing_else():
    def score(seed, prunable=FC1, weight=None):
        weight = torch.zeros(2, 3) if weight is None else weight
        return saliencies.build("random", seed=seed).score_matrix(prunable, weight)

    first = score(1)
    torch.manual_seed(99)
    assert torch.equal(score(1, weight=torch.ones(2, 3)), first)
    assert not torch.equal(score(2), first)
    assert not torch.equal(score(1, FC2), first)


def test_random_scores_are_uniform():
    large = parse("encoder.layers.0.fc1.weight", (300, 300))
    scores = saliencies.build("random").score_matrix(large, torch.empty(300, 300))
    # 90,000 draws: standard error of the mean 0.001, deviation sqrt(1/12).
    assert float(scores.mean()) == pytest.approx(0.5, abs=0.005)
    assert float(scores.std()) == pytest.approx(12**-0.5, rel=0.01)


def test_scores_are_computed_when_asked_for_and_without_gradients():
    weight = torch.nn.Parameter(torch.ones(2, 3))
    scores = saliencies.build("magnitude").score({FC1: weight, FC2: torch.zeros(2, 3)})
    with torch.no_grad():
        weight.mul_(-5)
    assert (list(scores), len(scores)) == ([FC1.name, FC2.name], 2)
    assert scores[FC1.name].tolist() == [[5, 5, 5], [5, 5, 5]]
    assert not scores[FC1.name].requires_grad


def test_the_names():
    assert {"magnitude", "random"} <= set(saliencies.entries())
