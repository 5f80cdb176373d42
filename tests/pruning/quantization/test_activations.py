"""Quantized activations: every input of every matrix product, their ranges, and the gradient."""

import pytest
import torch
from torch import nn

from nmt_prune.pruning.quantization.activations import Activations
from tests.tiny_model import real_loss, tiny_model


@pytest.fixture
def layer():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 2))


def observed(layer, *batches, bits=4):
    activations = Activations(layer, ["0.weight"], bits)
    activations.observes = True
    for batch in batches:
        layer(torch.tensor(batch))
        activations.update()
    activations.observes = False
    return activations


def test_a_range_is_the_mean_of_minima_and_of_maxima(layer):
    activations = observed(layer, [[-1.0, 0.0, 2.0]], [[-3.0, 1.0, 6.0]])
    assert activations.ranges["0"].tolist() == [-2.0, 4.0, 2.0]


def test_the_mini_batches_of_an_update_count_once(layer):
    activations = Activations(layer, ["0.weight"], 8)
    activations.observes = True
    for batch in ([[-1.0, 0.0, 2.0]], [[-3.0, 0.0, 6.0]]):
        layer(torch.tensor(batch))
    activations.update()
    layer(torch.tensor([[-5.0, 0.0, 0.0]]))
    activations.update()
    assert activations.ranges["0"].tolist() == [-3.5, 2.0, 2.0]


def test_what_overflows_is_not_observed(layer):
    activations = observed(layer, [[-1.0, 0.0, 2.0]], [[-1.0, 0.0, float("inf")]])
    assert activations.ranges["0"].tolist() == [-1.0, 2.0, 1.0]


@pytest.mark.parametrize("bits", [4, 8])
def test_values_are_rounded_inside_the_range_and_saturate_outside(layer, bits):
    activations = observed(layer, [[-1.0, 0.0, 2.0]], bits=bits)
    step = 3 / (2**bits - 1)
    given = torch.linspace(-2, 3, 300).view(100, 3)
    seen = {}
    layer[0].register_forward_pre_hook(lambda module, inputs: seen.update(x=inputs[0]))
    layer(given)
    assert torch.equal(seen["x"], given)
    activations.quantizes = True
    layer(given)
    codes = (seen["x"] + 1) / step
    assert torch.allclose(codes, codes.round(), atol=1e-3)
    assert 2 ** (bits - 1) < len(codes.round().unique()) <= 2**bits
    inside = (given >= -1) & (given <= 2)
    assert ((seen["x"] - given).abs() <= step / 2 + 1e-6)[inside].all()
    assert torch.allclose(seen["x"][~inside], given[~inside].clamp(-1, 2))


def test_the_gradient_goes_through_but_not_from_outside_the_range(layer):
    activations = observed(layer, [[-1.0, 0.0, 2.0]])
    activations.quantizes = True
    given = torch.tensor([[-1.5, 0.3, 2.5]], requires_grad=True)
    layer(given)[0, 0].backward()
    assert given.grad.tolist() == [[0.0, layer[0].weight[0, 1].item(), 0.0]]


def test_without_a_range_nothing_happens(layer):
    given = torch.tensor([[-1.5, 0.3, 2.5]], requires_grad=True)
    expected = layer(given)
    Activations(layer, ["0.weight"], 4).quantizes = True
    assert torch.equal(layer(given), expected)


@pytest.mark.parametrize("tying", ["all", "none"])
def test_every_matrix_product_of_a_transformer_sees_quantized_inputs(tying):
    """Those inside attention too, where fairseq's fast path calls no linear layer."""
    model = tiny_model(tying).train()
    before = real_loss(model)
    names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    activations = Activations(model, names, 4)
    activations.observes = True
    assert torch.allclose(real_loss(model), before, atol=1e-5), "the explicit attention computes the same"
    activations.update()
    products = {name for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    assert len([name for name in products if name.endswith(("q_proj", "k_proj", "v_proj", "out_proj"))]) == 12
    assert activations.ranges.keys() == products
    activations.observes, activations.quantizes = False, True
    levels = {}
    for name in products:
        module = model.get_submodule(name)
        module.register_forward_pre_hook(lambda _, inputs, name=name: levels.update({name: len(inputs[0].unique())}))
    loss = real_loss(model)
    loss.backward()
    assert levels.keys() == products
    assert max(levels.values()) <= 16
    assert not torch.allclose(loss, before, atol=1e-5)
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())
