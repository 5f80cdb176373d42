"""The dense phases of AC/DC: what was masked comes back at 0 and without momentum."""

import torch

from nmt_prune.pruning.schedules import schedules
from nmt_prune.training.decompression import Decompression
from nmt_prune.training.optimizer_state import moments
from tests.tiny_model import tiny_model
from tests.training.optimizers import adam
from tests.training.test_revival import random_masks, train


def test_weights_come_back_at_0_and_without_momentum():
    model = tiny_model()
    masking, matrices = model.masking, model.masking.parameters_by_matrix
    body = [prunable for prunable in matrices if prunable.in_body]
    sparsity = schedules.build("acdc:begin=2,phase=2,end=8", final=0.5).sparsity
    callback = Decompression(masking, body, sparsity)
    assert [callback.masks(update) is None for update in range(10)] == [0, 0, 1, 1, 0, 0, 0, 0, 1, 1]

    optimizer = adam(list(model.parameters()))
    train(model, optimizer, 2)
    masking.replace(random_masks(model))
    masking.mask_optimizer(optimizer)
    sparse = masking.masks
    train(model, optimizer, 2)
    masking.replace(callback.masks(4))
    masking.mask_optimizer(optimizer)
    for prunable, state in zip(matrices, moments(optimizer, list(matrices.values())), strict=True):
        outside = ~sparse[prunable.name]
        assert bool(masking.masks[prunable.name].all()) == prunable.in_body, "the others keep their masks"
        assert len(state) == 2
        for tensor in (matrices[prunable].data, *state.values()):
            assert not tensor[outside].any()
            assert tensor[~outside].count_nonzero() > 0.8 * (~outside).sum(), "a word may not have come up"
    train(model, optimizer, 1)
    for prunable in body:
        came = matrices[prunable].data[~sparse[prunable.name]]
        assert came.count_nonzero() > 0.5 * len(came), "those of a unit that is off have no gradient"
    assert torch.equal(masking.masks[body[0].name], torch.ones(body[0].shape, dtype=torch.bool))
