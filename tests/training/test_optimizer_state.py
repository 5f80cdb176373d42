"""Master copies and moments, found in fairseq's own optimizers and wrappers."""

import pytest
import torch
from torch import nn

from nmt_prune.training.optimizer_state import masters, moments
from tests.training.optimizers import OPTIMIZERS, WRAPPERS, adafactor, adam, flat_fp16, fp16

STATE = {
    "adam": ["exp_avg", "exp_avg_sq"],
    "adafactor": ["exp_avg"],  # row and column averages belong to no single weight
    "adafactor without momentum": [],
    "nag": ["momentum_buffer"],
    "sgd": ["momentum_buffer"],
    "adagrad": ["sum"],
}


def parameters(dtype: torch.dtype = torch.float32) -> list[nn.Parameter]:
    shapes = [(3, 4), (5,), (4, 4), (2, 3)]
    return [nn.Parameter(torch.randn(shape).to(dtype)) for shape in shapes]


def step(optimizer, trained) -> None:
    optimizer.zero_grad()
    optimizer.backward(sum((parameter * torch.randn_like(parameter)).sum() for parameter in trained))
    optimizer.clip_grad_norm(0.0)
    optimizer.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_moments_are_the_state_that_mirrors_the_weights(name):
    trained = parameters()
    optimizer = OPTIMIZERS[name][0](trained)
    assert all(not tensors for tensors in moments(optimizer, trained)) or name == "adagrad"
    step(optimizer, trained)
    wanted = [trained[2], trained[0]]
    for parameter, found in zip(wanted, moments(optimizer, wanted), strict=True):
        state = optimizer.optimizer.state[parameter]
        assert {key: id(tensor) for key, tensor in found.items()} == {key: id(state[key]) for key in STATE[name]}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_without_mixed_precision_a_parameter_is_its_own_master(name):
    trained = parameters()
    found = masters(OPTIMIZERS[name][0](trained), trained[1:3])
    assert [copy.data_ptr() for copy in found] == [parameter.data_ptr() for parameter in trained[1:3]]


@pytest.mark.parametrize("name", WRAPPERS)
def test_writing_to_a_master_is_what_the_next_step_starts_from(name):
    wrap, dtype = WRAPPERS[name]
    trained = parameters(dtype)
    optimizer = wrap(trained)
    step(optimizer, trained)
    for copy, parameter in zip(masters(optimizer, trained), trained, strict=True):
        assert torch.equal(copy.to(dtype), parameter.data)
    (copy,) = masters(optimizer, [trained[2]])
    copy.zero_()
    untouched = trained[0].data.clone()
    optimizer.set_lr(0.0)
    step(optimizer, trained)
    assert not trained[2].any()
    assert torch.equal(trained[0].data, untouched)


@pytest.mark.parametrize("name", WRAPPERS)
def test_writing_to_moments_reaches_the_optimizer(name):
    wrap, dtype = WRAPPERS[name]
    trained = parameters(dtype)
    optimizer = wrap(trained)
    step(optimizer, trained)
    found = moments(optimizer, trained)
    assert [[tensor.shape for tensor in tensors.values()] for tensors in found] == [[p.shape] * 2 for p in trained]
    # Adam's first moment after one step is 0.1 times the gradient.
    averages = torch.cat([tensors["exp_avg"].flatten() for tensors in found])
    stored = torch.cat([state["exp_avg"].flatten() for state in optimizer.optimizer.state.values()])
    assert torch.equal(averages, stored)
    assert stored.count_nonzero() == stored.numel()
    for tensor in found[2].values():
        tensor.zero_()
    remaining = torch.cat([state["exp_avg"].flatten() for state in optimizer.optimizer.state.values()])
    assert remaining.count_nonzero() == stored.numel() - 16


def test_the_flat_master_copy_is_cut_by_hand():
    trained = parameters(torch.float16)
    optimizer = flat_fp16(trained)
    (flat,) = optimizer.fp32_params.values()
    assert flat.numel() == 12 + 5 + 16 + 6
    flat.data.copy_(torch.arange(39))
    third, last = masters(optimizer, [trained[2], trained[3]])
    assert third.tolist() == [[17, 18, 19, 20], [21, 22, 23, 24], [25, 26, 27, 28], [29, 30, 31, 32]]
    assert last.tolist() == [[33, 34, 35], [36, 37, 38]]


def test_adafactor_behind_a_master_copy_keeps_its_row_and_column_averages():
    trained = parameters(torch.float16)
    optimizer = fp16(trained, adafactor)
    step(optimizer, trained)
    assert [len(tensors) for tensors in moments(optimizer, trained)] == [1, 2, 1, 1]  # a vector is not factored


def test_before_the_first_step_there_are_no_moments():
    for wrap, dtype in WRAPPERS.values():
        trained = parameters(dtype)
        assert moments(wrap(trained, adam), trained) == [{}] * 4
