"""RigL by hand: which weights are dropped, which are grown, and what the optimizer then has of them."""

import pytest
import torch
from torch import nn

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import parse
from nmt_prune.pruning.schedules.rigl import Rigl
from nmt_prune.training.masking import Masking
from nmt_prune.training.optimizer_state import final_gradients, gradients, masters, moments
from nmt_prune.training.regrowth import Regrowth, regrown
from tests.tiny_model import real_loss, tiny_model
from tests.training.optimizers import WRAPPERS, adam, flat_fp16
from tests.training.test_revival import low_loss, random_masks, train

NAME = "encoder.layers.0.fc1.weight"
FC1 = parse(NAME, (2, 5))
SCHEDULE = Rigl(interval=4, share=0.5, final=0.5, max_update=100)


def agree(masks, what):
    assert isinstance(masks, MaskSet)
    assert what.startswith("masks at update ")


def move(weight, gradient, mask, share):
    found = regrown(
        {NAME: torch.tensor(weight)},
        {NAME: torch.tensor(gradient)},
        MaskSet({FC1: torch.tensor(mask).bool()}),
        [FC1],
        share,
    )
    return found[NAME].int().tolist()


WEIGHT = [[4.0, -1.0, 3.0, 0.0, 0.0], [0.5, 0.0, -2.0, 0.0, 5.0]]
MASK = [[1, 1, 1, 0, 0], [1, 0, 1, 0, 1]]


def test_the_smallest_go_and_the_steepest_come():
    # Of 6 weights a third goes: 0.5 and -1. Of the gradients where no weight is left -7 and 6 are the largest.
    gradient = [[9.0, 0.1, 9.0, -7.0, 5.0], [0.2, 6.0, 9.0, -1.0, 9.0]]
    assert move(WEIGHT, gradient, MASK, 1 / 3) == [[1, 0, 1, 1, 0], [0, 1, 1, 0, 1]]


def test_what_is_dropped_may_come_back_at_once():
    gradient = [[0.0, -8.0, 0.0, -7.0, 5.0], [0.2, 6.0, 9.0, -1.0, 9.0]]
    assert move(WEIGHT, gradient, MASK, 1 / 3) == [[1, 1, 1, 1, 0], [0, 0, 1, 0, 1]]


@pytest.mark.parametrize("share", [0.0, 0.16])
def test_less_than_one_weight_is_none(share):
    assert move(WEIGHT, [[1.0] * 5] * 2, MASK, share) == MASK


def test_a_dense_matrix_stays_dense():
    assert move(WEIGHT, [[1.0] * 5] * 2, [[1] * 5] * 2, 0.5) == [[1] * 5] * 2


def test_neither_the_padding_row_nor_other_matrices_move():
    embedding, fc1 = parse("encoder.embed_tokens.weight", (4, 3)), parse(NAME, (4, 3))
    before = MaskSet({prunable: torch.arange(12).view(4, 3) % 2 == 0 for prunable in (embedding, fc1)})
    weights = {prunable.name: torch.randn(4, 3) for prunable in (embedding, fc1)}
    slopes = {prunable.name: torch.full((4, 3), 1.0) for prunable in (embedding, fc1)}
    slopes[embedding.name][1] = 100.0
    after = regrown(weights, slopes, before, [embedding], 1.0)
    assert torch.equal(after[fc1.name], before[fc1.name])
    assert after[embedding.name][1].all()
    assert after.kept(embedding) == before.kept(embedding) == 5
    assert not torch.equal(after[embedding.name], before[embedding.name])


@pytest.mark.parametrize("name", [*WRAPPERS, "fp32"])
def test_one_move_in_every_precision(name):
    wrap, dtype = WRAPPERS.get(name, (None, torch.float32))
    model = tiny_model().to(dtype)
    parameters = list(model.parameters())
    optimizer = wrap(parameters, adam) if wrap else adam(parameters)
    before = random_masks(model)
    model.masking.replace(before)
    model.masking.mask_optimizer(optimizer)
    train(model, optimizer, 3)
    matrices = model.masking.parameters_by_matrix
    tensors = list(matrices.values())
    callback = Regrowth(model.masking, [p for p in matrices if p.in_body], SCHEDULE, agree)
    assert [update for update in range(9) if callback.needs_dense_gradients(update)] == [4, 8]
    old = [copy.clone() for copy in masters(optimizer, tensors)]

    optimizer.zero_grad()
    optimizer.backward(real_loss(model) if dtype == torch.float32 else low_loss(model))
    optimizer.clip_grad_norm(1.0)
    slopes = [gradient.clone() for gradient in gradients(optimizer, tensors)]
    callback.before_step(optimizer, 4)
    optimizer.step()

    after = model.masking.masks
    share = SCHEDULE.moving_share(4)
    came = 0
    for (prunable, parameter), weight, slope, copy, state in zip(
        matrices.items(), old, slopes, masters(optimizer, tensors), moments(optimizer, tensors), strict=True
    ):
        was, has = before[prunable.name], after[prunable.name]
        assert after.kept(prunable) == before.kept(prunable)
        if not prunable.in_body:
            assert torch.equal(was, has)
            continue
        dropped = int(share * before.kept(prunable))
        order = torch.where(was, weight.abs(), torch.inf).flatten().argsort(stable=True)[:dropped]
        assert len(order) == dropped > 0
        gone, free = was & ~has, torch.zeros_like(was)
        free.view(-1)[order] = True
        assert not (gone & ~free).any()
        grown, left = has & ~was, (free | ~was) & ~has
        came += int(grown.sum())
        assert slope.abs()[(free | ~was) & has].min() >= slope.abs()[left].max()
        assert len(state) == 2
        for tensor in (copy, parameter, *state.values()):
            assert not tensor[~has].any()
            assert not tensor[grown].any(), "new weights start at 0, and the gradient of this update does not move them"
        assert not torch.equal(copy[was & has], weight[was & has])
        assert copy[free & has].any() == (free & has).any()
    assert came > 50
    train(model, optimizer, 2)
    assert model.masking.revived() == 0
    assert all(parameter[after[p.name]].count_nonzero() > 0.9 * after.kept(p) for p, parameter in matrices.items())


def test_between_two_moves_nothing_happens():
    model = tiny_model()
    masking: Masking = model.masking
    masking.replace(random_masks(model))
    before = masking.masks
    Regrowth(masking, list(masking.parameters_by_matrix), SCHEDULE, agree).before_step(None, 5)
    assert masking.masks == before


def test_after_an_overflow_nothing_moves():
    model = tiny_model()
    optimizer = adam(list(model.parameters()))
    model.masking.replace(random_masks(model))
    before = model.masking.masks
    real_loss(model).backward()
    for parameter in model.parameters():
        parameter.grad[0] = torch.inf
    Regrowth(model.masking, list(model.masking.parameters_by_matrix), SCHEDULE, agree).before_step(optimizer, 4)
    assert model.masking.masks == before


def test_final_gradients_are_what_the_step_takes():
    trained = [nn.Parameter(torch.ones(2, 3).half()), nn.Parameter(torch.ones(4).half())]
    optimizer = flat_fp16(trained, lambda parameters: adam(parameters))
    optimizer.zero_grad()
    optimizer.backward(sum(parameter.sum() for parameter in trained))
    optimizer.clip_grad_norm(0.0)
    found = final_gradients(optimizer, [trained[1]])[0]
    assert found.tolist() == [4.0] * 4  # the loss scale
    found.zero_()
    optimizer.step()
    assert not torch.equal(trained[0], torch.ones(2, 3).half())
    copies = masters(optimizer, trained)
    assert (1 - copies[1]).abs().max() < (1 - copies[0]).abs().min()  # weight decay alone


def test_a_parameter_without_a_gradient_has_none():
    assert final_gradients(adam([nn.Parameter(torch.ones(2))]), [nn.Parameter(torch.ones(2))]) == [None]
