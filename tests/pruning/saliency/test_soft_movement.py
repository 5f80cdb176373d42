"""Movement pruning by one threshold, against scores and sigmoids by hand."""

import torch

from tests.pruning.saliency.learning import FC1, FC2, OneLayer, learner, update
from tests.pruning.saliency.test_movement import LINEAR, two_by_two
from tests.tiny_model import tiny_model


def test_soft_movement_is_a_threshold_that_rises():
    model = two_by_two()
    callback = learner(model, "soft-movement:exact=false,threshold=0.4", LINEAR, 0.8)
    callback.scores[FC1].data = torch.tensor([[-2.0, -1.0], [-0.3, 1.0]])  # σ: 0.119, 0.269, 0.426, 0.731
    callback.scores[FC2].data = torch.tensor([[-9.0, -8.0], [-7.0, -8.0]])
    kept = [callback.masks(update)[FC1].int().flatten().tolist() for update in range(5)]  # τ = 0, 0.1, 0.2, 0.3, 0.4
    assert kept == [[1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]]
    assert callback.masks(4)[FC2].int().tolist() == [[0, 0], [1, 0]], "of each matrix something is left"


def test_soft_movement_meets_the_sparsity_by_one_threshold():
    model = two_by_two()
    callback = learner(model, "soft-movement", LINEAR, 0.8)
    callback.scores[FC1].data = torch.tensor([[-2.0, -1.0], [-0.3, 1.0]])
    callback.scores[FC2].data = torch.tensor([[-1.5, 3.0], [2.0, -0.5]])
    ranking = [(FC1, 0), (FC2, 0), (FC1, 1), (FC2, 3), (FC1, 2), (FC1, 3), (FC2, 2), (FC2, 1)]  # by score
    for number, kept in enumerate((8, 6, 5, 3, 2)):  # of 8 weights, at sparsities 0, 0.2, 0.4, 0.6 and 0.8
        masks = callback.masks(number)
        found = {(name, i) for name in (FC1, FC2) for i in masks[name].flatten().nonzero().flatten().tolist()}
        assert found == set(ranking[8 - kept :])


def test_exact_soft_movement_leaves_half_a_percent_of_each_matrix():
    model = OneLayer(torch.randn(40, 20), torch.randn(20, 40))
    callback = learner(model, "soft-movement", LINEAR, 0.9)
    callback.scores[FC1].data = torch.rand(40, 20) - 5
    callback.scores[FC2].data = torch.rand(20, 40) + 5
    masks = callback.masks(4)
    assert (int(masks[FC1].sum()), int(masks[FC2].sum())) == (4, 156)
    best = callback.scores[FC1].detach().flatten().topk(4).indices
    assert set(masks[FC1].flatten().nonzero().flatten().tolist()) == set(best.tolist())
    callback = learner(OneLayer(torch.randn(40, 20), torch.randn(20, 40)), "soft-movement", LINEAR, 0.998)
    assert sum(int(callback.masks(4)[name].sum()) for name in (FC1, FC2)) == 3, "the sparsity asked for comes first"


def test_the_penalty_of_soft_movement_is_the_mean_of_sigmoids():
    model = OneLayer(torch.randn(2, 3), torch.randn(3, 2))
    callback = learner(model, "soft-movement:exact=false,lr=1,optimizer=sgd,strength=12,threshold=0", LINEAR, 0.8)
    start = {name: torch.randn_like(score) for name, score in callback.scores.items()}
    for name, score in callback.scores.items():
        score.data = start[name].clone()
    x = torch.randn(5, 3)
    weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    update(model, callback, lambda: model(x).square().mean(), 3)  # three quarters of the way
    variables = {name: score.clone().requires_grad_() for name, score in start.items()}
    (12 * 0.75 * sum(score.sigmoid().mean() for score in variables.values()) / 2).backward()
    for name, score in callback.scores.items():
        # τ = 0 masks nothing: the rest is the gradient by a mask of ones.
        slope = model.get_parameter(name).grad * weights[name]
        assert torch.allclose(start[name] - score.detach(), slope + variables[name].grad, atol=1e-6)


def test_soft_movement_leaves_half_a_percent():
    model = tiny_model()
    callback = learner(model, "soft-movement:exact=false", LINEAR, 0.9)
    for score in callback.scores.values():
        score.data = torch.randn_like(score) - 20
    masks = callback.masks(4)
    for prunable in masks.prunables:
        assert masks.kept(prunable) == int(0.005 * prunable.size) + 1
        best = callback.scores[prunable.name].detach()[masks.candidates(prunable)]
        others = ~masks[prunable.name]
        assert best.min() > callback.scores[prunable.name].detach()[others].max()
