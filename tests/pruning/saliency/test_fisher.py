"""w² · E g² against autograd, one mini-batch at a time."""

import torch

from nmt_prune.pruning.saliency import saliencies
from tests.pruning.saliency.measuring import cross_entropy, evidence, model, weights_and_masks


def test_the_squared_gradients_of_the_mini_batches_are_averaged():
    network = model().eval()
    weights, alive = weights_and_masks(network)
    measured = evidence(network)
    scores = saliencies.build("fisher", evidence=measured).score(weights, alive)
    for prunable, weight in weights.items():
        parameter = network.get_parameter(prunable.name)
        slopes = [torch.autograd.grad(cross_entropy(network, each).mean, parameter)[0] for each in measured.batches()]
        expected = weight**2 * (slopes[0] ** 2 + slopes[1] ** 2) / 2
        assert torch.allclose(scores[prunable.name], expected, atol=1e-12), prunable.name
        assert expected.any()
