"""No pruned weight comes back to life, under any optimizer and in any precision; without care most of them do."""

import pytest
import torch

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.models.masked_transformer import MaskedTransformer
from nmt_prune.training.optimizer_state import masters, moments
from tests.tiny_model import real_loss, tiny_model
from tests.training.optimizers import OPTIMIZERS, WRAPPERS, adam


def train(model: MaskedTransformer, optimizer, updates: int) -> None:
    """What fairseq's trainer does with the task: backward, mask, clip, step."""
    for _ in range(updates):
        optimizer.zero_grad()
        optimizer.backward(real_loss(model) if next(model.parameters()).dtype == torch.float32 else low_loss(model))
        model.masking.mask_gradients()
        optimizer.clip_grad_norm(1.0)
        optimizer.step()


def low_loss(model: MaskedTransformer) -> torch.Tensor:
    """A loss for half precision, which the layers do not all have on a CPU."""
    return sum((parameter * torch.randn_like(parameter)).sum() * 0.1 for parameter in model.parameters())


def random_masks(model: MaskedTransformer) -> MaskSet:
    return MaskSet({p: torch.rand(p.shape) < 0.5 for p in model.masking.parameters_by_matrix})


def pruned_count(model: MaskedTransformer) -> int:
    masks = model.masking.masks
    return sum(prunable.size - masks.kept(prunable) for prunable in masks.prunables)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_momentum_revives_pruned_weights_and_masking_the_optimizer_stops_it(name):
    build, revives = OPTIMIZERS[name]
    for careful in (False, True):
        model = tiny_model()
        optimizer = build(list(model.parameters()))
        train(model, optimizer, 3)
        model.masking.replace(random_masks(model))
        assert model.masking.revived() == 0
        if careful:
            model.masking.mask_optimizer(optimizer)
        before = model.state_dict()["decoder.layers.0.fc1.weight"].clone()
        train(model, optimizer, 5)
        assert not torch.equal(before, model.state_dict()["decoder.layers.0.fc1.weight"])
        if careful or not revives:
            assert model.masking.revived() == 0
        else:
            assert model.masking.revived() > 0.8 * pruned_count(model)


@pytest.mark.parametrize("name", WRAPPERS)
def test_master_copies_revive_pruned_weights_and_masking_the_optimizer_stops_it(name):
    wrap, dtype = WRAPPERS[name]
    for careful in (False, True):
        model = tiny_model().to(dtype)
        parameters = list(model.parameters())
        optimizer = wrap(parameters, adam)
        train(model, optimizer, 2)
        masks = random_masks(model)
        model.masking.replace(masks)
        if careful:
            model.masking.mask_optimizer(optimizer)
        train(model, optimizer, 3)
        if not careful:
            assert model.masking.revived() > 0.8 * pruned_count(model)
            continue
        assert model.masking.revived() == 0
        matrices = model.masking.parameters_by_matrix
        found = zip(masters(optimizer, [*matrices.values()]), moments(optimizer, [*matrices.values()]), strict=True)
        for prunable, (copy, state) in zip(matrices, found, strict=True):
            assert len(state) == 2
            for tensor in (copy, *state.values()):
                assert not tensor[~masks[prunable.name]].any()
                assert tensor[masks.candidates(prunable)].any()


def test_a_growing_mask_stays_dead_at_every_stage():
    model = tiny_model()
    optimizer = adam(list(model.parameters()))
    masks = MaskSet.dense(model.masking.parameters_by_matrix)
    for _ in range(4):
        masks = MaskSet({p: masks[p.name] & (torch.rand(p.shape) < 0.6) for p in masks.prunables})
        model.masking.replace(masks)
        model.masking.mask_optimizer(optimizer)
        train(model, optimizer, 3)
        assert model.masking.revived() == 0
    assert masks.sparsity() == pytest.approx(1 - 0.6**4, abs=0.03)
