"""Steps of sparse matrices by hand, and against parameter groups with rates of their own."""

import pytest
import torch
from torch import nn

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.training.masking import Masking
from nmt_prune.training.sparse_rates import SparseRates
from tests.pruning.saliency.learning import FC1, OneLayer
from tests.tiny_model import tiny_model
from tests.training.optimizers import OPTIMIZERS, WRAPPERS

HALF = torch.tensor([[True, False], [False, True]])


def quarter_dense(model):
    """Masks a quarter of the weights of each matrix to stay."""
    masking = Masking(model)
    masks = {p: torch.rand(p.shape) < 0.25 for p in masking.parameters_by_matrix}
    masking.replace(MaskSet(masks))
    return masking


def test_a_step_by_hand():
    model = OneLayer(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.ones(2, 2))
    masking = Masking(model)
    fc1, fc2 = masking.parameters_by_matrix
    masking.replace(MaskSet({fc1: HALF, fc2: torch.ones(2, 2, dtype=torch.bool)}))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    masking.mask_gradients()
    rates = SparseRates(masking, 2.0)
    rates.before_step(optimizer, 0)
    optimizer.step()
    rates.after_step(optimizer, 1)
    # Half of fc1 exists: (1 / 0.5)^2 = 4 times 0.1; fc2 is dense.
    assert model.get_parameter(FC1).tolist() == pytest.approx(torch.tensor([[0.6, 0.0], [0.0, 3.6]]))
    assert model.encoder.layers[0].fc2.weight.tolist() == pytest.approx(torch.full((2, 2), 0.9))
    assert rates.statistics() == {"sparse_lr": 4.0}
    masking.shown = MaskSet({fc1: torch.tensor([[True, False], [False, False]]), fc2: HALF})
    assert rates.factors() == pytest.approx({fc1.name: 16.0, fc2.name: 4.0})


def steps(model, masking, optimizer, rates=None, number=3):
    for update in range(number):
        for parameter in model.parameters():
            torch.manual_seed(update)
            parameter.grad = torch.randn(parameter.shape)
        masking.mask_gradients()
        if rates:
            rates.before_step(optimizer, update)
        optimizer.step()
        if rates:
            rates.after_step(optimizer, update + 1)


def test_it_is_adam_with_a_rate_for_each_matrix():
    first, second = tiny_model(), tiny_model()
    second.load_state_dict(first.state_dict())
    torch.manual_seed(1)
    masking = quarter_dense(first)
    other = Masking(second)
    other.replace(masking.masks)
    rates = SparseRates(masking, 1.0)
    factors, settings = rates.factors(), {"lr": 0.01, "weight_decay": 0.1}
    assert "encoder.embed_tokens.weight" not in factors
    assert set(factors) == {p.name for p in masking.masks.prunables if p.in_body}
    groups = [{"params": [p], "lr": 0.01 * factors.get(name, 1.0)} for name, p in second.named_parameters()]
    steps(first, masking, torch.optim.AdamW(first.parameters(), **settings), rates)
    steps(second, other, torch.optim.AdamW(groups, **settings))
    for name, parameter in first.named_parameters():
        assert torch.allclose(parameter, second.get_parameter(name), atol=1e-6), name


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_takes_a_larger_step(name):
    def moved(power):
        model = tiny_model()
        torch.manual_seed(1)
        masking = quarter_dense(model)
        before = {p: parameter.detach().clone() for p, parameter in masking.parameters_by_matrix.items()}
        optimizer = OPTIMIZERS[name][0](list(model.parameters()))
        optimizer.set_lr(1e-3)
        rates = SparseRates(masking, power)
        steps(model, masking, optimizer, rates, 1)
        return rates.factors(), {
            p.name: (parameter.detach() - before[p]) for p, parameter in masking.parameters_by_matrix.items()
        }

    torch.manual_seed(0)
    factors, scaled = moved(1.0)
    torch.manual_seed(0)
    _, plain = moved(0.0)
    for matrix, change in plain.items():
        assert torch.allclose(scaled[matrix], factors.get(matrix, 1.0) * change, rtol=1e-3, atol=1e-6), matrix


@pytest.mark.parametrize("name", WRAPPERS)
def test_master_copies_take_it_and_the_model_follows(name):
    wrap, dtype = WRAPPERS[name]
    model = nn.Module()
    model.encoder, layer = nn.Module(), nn.Module()
    layer.fc1 = nn.Linear(2, 2, bias=False)
    model.encoder.layers = nn.ModuleList([layer])
    model.to(dtype)
    masking = Masking(model)
    (fc1,) = masking.parameters_by_matrix
    masking.replace(MaskSet({fc1: HALF}))
    optimizer, rates = wrap(list(model.parameters())), SparseRates(masking, 1.0)
    if name.startswith("memory"):
        with pytest.raises(PruneError, match="--sparse-lr scales steps in fp32"):
            rates.before_step(optimizer, 0)
        return
    before = layer.fc1.weight.detach().float().clone()
    optimizer.set_lr(0.125)
    optimizer.backward((layer.fc1.weight * HALF).sum())
    optimizer.clip_grad_norm(0.0)
    rates.before_step(optimizer, 0)
    optimizer.step()
    rates.after_step(optimizer, 1)
    change = (layer.fc1.weight.detach().float() - before)[HALF]
    assert torch.allclose(change, -0.25 * (1 + 0.1 * before[HALF]), atol=0.01)  # Adam's first step, and weight decay
