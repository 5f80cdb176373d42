"""A quantizer in a training: what the forward pass sees, what is trained, what is kept."""

import pytest
import torch
from torch import nn

from nmt_prune.masks.prunable import prunable_matrices
from nmt_prune.pruning.groups import groups
from nmt_prune.pruning.quantization import quantizers
from nmt_prune.pruning.quantization.training import QuantizedTraining

FC1, FC2 = "encoder.layers.0.fc1", "encoder.layers.0.fc2"


class Body(nn.Module):
    """Feed-forward matrices under fairseq's names."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList([nn.Module()])
        self.layer.fc1, self.layer.fc2 = nn.Linear(4, 6), nn.Linear(6, 4)

    @property
    def layer(self):
        return self.encoder.layers[0]

    def forward(self, x):
        return self.layer.fc2(self.layer.fc1(x).relu())


def training(spec, model, group="element", **settings):
    parameters = {p: model.get_parameter(p.name) for p in prunable_matrices(dict(model.named_parameters()))}
    return QuantizedTraining(quantizers.build(spec), model, parameters, groups.build(group), **settings)


def update(callback, model, number, batch=None):
    """One update that only decays weights, so that they are easy to follow."""
    callback.before_forward(number)
    seen = {name: p.detach().clone() for name, p in model.named_parameters()}
    model(torch.ones(2, 4) if batch is None else batch).square().sum().backward()
    callback.before_step(None, number)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.9)
    callback.after_step(None, number + 1)
    return seen


def test_the_scale_is_the_mean_over_updates():
    model = Body()
    callback = training("uniform:weight_bits=4,activation_bits=32", model)
    largest = [model.layer.fc1.weight.detach().abs().amax(dim=1, keepdim=True) * 0.9**n for n in range(3)]
    seen = [update(callback, model, number)[f"{FC1}.weight"] for number in range(3)]
    scale = sum(largest) / 3 / 8
    assert torch.allclose(callback.state_dict()["scales"][f"{FC1}.weight"], scale)
    codes = seen[2] / scale
    assert torch.allclose(codes, codes.round(), atol=1e-4)
    with callback.evaluation():
        codes = model.layer.fc1.weight / scale
        assert torch.allclose(codes, codes.round(), atol=1e-4)
    assert torch.allclose(callback.state_dict()["scales"][f"{FC1}.weight"], scale), "judging observes nothing"
    assert callback.state_dict()["scales"].keys() == {f"{FC1}.weight", f"{FC2}.weight"}, "no biases"


def test_the_gradient_is_that_by_the_quantized_weights():
    model, reference = Body(), Body()
    callback = training("ternary", model)
    seen = update(callback, model, 0)
    with torch.no_grad():
        for name, parameter in reference.named_parameters():
            parameter.copy_(seen[name])
    reference(torch.ones(2, 4)).square().sum().backward()
    for name, parameter in reference.named_parameters():
        assert torch.equal(model.get_parameter(name).grad, parameter.grad)
    assert len(seen[f"{FC1}.weight"][0].abs().unique()) <= 2


def test_large_weights_have_no_ternary_gradient():
    model = Body()
    with torch.no_grad():
        model.layer.fc1.weight[0, 0] = 1.5
    callback = training("ternary", model)
    update(callback, model, 0, batch=torch.rand(8, 4))
    gradient = model.layer.fc1.weight.grad
    assert gradient[0, 0] == 0
    assert (gradient != 0).sum() > 8


def test_it_begins_when_the_mask_is_final():
    model = Body()
    callback = training("ternary:after_pruning=true,limit=0.01", model, mask_is_final_at=2)
    weights = [model.layer.fc1.weight.detach() * 0.9**n for n in range(3)]
    seen = [update(callback, model, number)[f"{FC1}.weight"] for number in range(3)]
    assert torch.allclose(seen[1], weights[1])
    assert not torch.allclose(seen[2], weights[2])
    early = training("ternary:after_pruning=true", model, mask_is_final_at=9)
    early.after_step(None, 8)
    with early.evaluation():
        assert model.layer.fc1.weight.unique().numel() == 24
    early.after_step(None, 9)
    with early.evaluation():
        assert model.layer.fc1.weight.unique().numel() < 24


def test_activations_begin_later_and_are_not_observed_in_validation():
    model = Body()
    callback = training("uniform:activation_start=2", model)
    inputs = []
    model.layer.fc1.register_forward_pre_hook(lambda _, x: inputs.append(x[0].detach().clone()))
    batch = torch.rand(2, 4)
    for number in range(3):
        update(callback, model, number, batch)
    assert torch.equal(inputs[0], batch)
    assert torch.equal(inputs[1], batch)
    assert not torch.equal(inputs[2], batch)
    before = callback.state_dict()["ranges"]
    with callback.evaluation(), torch.no_grad():
        model(100 * batch)
    callback.after_step(None, 3)
    assert torch.equal(callback.state_dict()["ranges"][FC1], before[FC1])
    assert inputs[3].max() <= 1, "saturated"


def test_a_resumed_training_goes_on_identically():
    whole, parts = Body(), Body()
    one = training("uniform:weight_bits=4,activation_bits=4,activation_start=1", whole)
    two = training("uniform:weight_bits=4,activation_bits=4,activation_start=1", parts)
    batches = torch.rand(4, 2, 4, generator=torch.Generator().manual_seed(2))
    for number in range(4):
        update(one, whole, number, batches[number])
        if number == 2:
            copy = Body()
            copy.load_state_dict(parts.state_dict())
            resumed = training("uniform:weight_bits=4,activation_bits=4,activation_start=1", copy)
            resumed.load_state_dict(two.state_dict())
            two, parts = resumed, copy
        update(two, parts, number, batches[number])
    first, second = one.state_dict(), two.state_dict()
    assert (first["update"], first["count"]) == (second["update"], second["count"]) == (4, 4)
    for kind in ("scales", "ranges"):
        assert first[kind].keys() == second[kind].keys()
        assert all(torch.equal(first[kind][name], second[kind][name]) for name in first[kind])
    for name in (f"{FC1}.weight", f"{FC2}.bias"):
        assert torch.equal(whole.get_parameter(name), parts.get_parameter(name))


def test_a_group_of_ternary_zeros_counts_as_pruned():
    model = Body()
    with torch.no_grad():
        model.layer.fc1.weight.copy_(torch.ones(6, 4))
        model.layer.fc1.weight[0, :2] = 0.01  # zeros on the grid
        model.layer.fc1.weight[1, 0] = 0.01
        model.layer.fc2.weight.fill_(1.0)
    blocks = training("ternary", model, "block:rows=1,columns=2")
    assert blocks.statistics()["sparsity_quantized"] == pytest.approx(1 / (12 + 12))
    assert training("ternary", model).statistics()["sparsity_quantized"] == pytest.approx(3 / 48)
