"""w² · v̂ by hand, and where v̂ comes from."""

import pytest
import torch

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.checkpoints.moments import second_moments
from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import prunable_parameters
from nmt_prune.pruning.budgets import budgets
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency import saliencies
from tests.pruning.saliency.learning import FC1, FC2, OneLayer
from tests.tiny_model import tiny_model


def test_scores_and_mask_by_hand():
    model = OneLayer(torch.tensor([[2.0, -1.0], [0.5, 4.0]]), torch.ones(2, 2))
    weights = {prunable: parameter.detach() for prunable, parameter in prunable_parameters(model).items()}
    moments = {FC1: torch.tensor([[0.25, 9.0], [4.0, 0.0]]), FC2: torch.tensor([[1.0, 2.0], [3.0, 4.0]])}
    pruner = Pruner(saliencies.build("adam-fisher"), budgets.build("matrix")).reading(lambda: moments)
    (fc1, weight), *_ = weights.items()
    assert pruner.saliency.score_matrix(fc1, weight).tolist() == [[1.0, 9.0], [1.0, 0.0]]
    masks = pruner.prune(weights, MaskSet.dense(weights), 0.5)
    # The largest weight of all goes: no gradient has ever reached it. Of the two with score 1 the first stays.
    assert masks[FC1].int().tolist() == [[1, 1], [0, 0]]
    assert masks[FC2].int().tolist() == [[0, 0], [1, 1]]


def test_without_an_optimizer_it_is_refused_but_not_where_nothing_is_pruned():
    weights = {prunable: parameter.detach() for prunable, parameter in prunable_parameters(tiny_model()).items()}
    pruner, alive = Pruner(saliencies.build("adam-fisher"), budgets.build("matrix")), MaskSet.dense(weights)
    assert pruner.prune(weights, alive, 0.0) == alive
    for without in (pruner, pruner.reading(lambda: None)):
        with pytest.raises(PruneError, match="Adam's second moments, and there are none yet: train with") as error:
            without.prune(weights, alive, 0.5)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("flat", [False, True])
def test_the_moments_of_a_checkpoint_by_name(tmp_path, flat):
    model = tiny_model()
    optimizer = torch.optim.Adam(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    expected = {name: optimizer.state[parameter]["exp_avg_sq"] for name, parameter in model.named_parameters()}
    state = optimizer.state_dict()
    if flat:
        one = torch.cat([moment.flatten() for moment in expected.values()])
        state = {"state": {0: {"step": 1, "exp_avg_sq": one}}, "param_groups": []}
    checkpoint = Checkpoint(tmp_path / "a.pt", {"model": model.state_dict(), "last_optimizer_state": state})
    found = second_moments(checkpoint)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], moment) for name, moment in expected.items())
    assert second_moments(Checkpoint(tmp_path / "a.pt", {"model": model.state_dict()})) is None
    del state["state"][0]
    if not flat:
        with pytest.raises(PruneError, match="take a checkpoint all of whose weights were trained"):
            second_moments(checkpoint)
