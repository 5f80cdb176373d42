"""Whole layers in other places, by hand."""

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import prunable_matrices
from nmt_prune.pruning.resets import resets
from tests.toy import toy_model


def deep(layers: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """The toy with more layers, each of other weights."""
    model = toy_model(seed)
    for layer in range(1, layers):
        other = toy_model(100 * seed + layer)
        names = [name for name in other if ".layers.0." in name]
        model |= {name.replace(".layers.0.", f".layers.{layer}."): other[name] for name in names}
    return model


def sources(ticket: dict[str, torch.Tensor], start: dict[str, torch.Tensor], layers: int, stack: str) -> list[int]:
    """Which layer each layer's bias of fc1 comes from."""
    biases = [start[f"{stack}.layers.{layer}.fc1.bias"] for layer in range(layers)]
    found = (ticket[f"{stack}.layers.{layer}.fc1.bias"] for layer in range(layers))
    return [next(n for n, bias in enumerate(biases) if torch.equal(bias, own)) for own in found]


@pytest.mark.parametrize("layers", [2, 3, 6])
def test_every_layer_has_all_weights_of_another_under_its_own_mask(layers):
    trained, start = deep(layers, seed=1), deep(layers, seed=2)
    random = torch.Generator().manual_seed(3)
    masks = MaskSet({p: torch.rand(p.shape, generator=random) < 0.5 for p in prunable_matrices(start)})
    ticket = resets.build("shuffle-layers", seed=1).apply(masks, trained, start)
    assert list(ticket) == list(start)
    for stack in ("encoder", "decoder"):
        order = sources(ticket, start, layers, stack)
        assert sorted(order) == list(range(layers))
        assert all(here != there for here, there in enumerate(order))
        for name in (name for name in start if name.startswith(f"{stack}.layers.")):
            _, _, layer, rest = name.split(".", 3)
            source = start[f"{stack}.layers.{order[int(layer)]}.{rest}"]
            assert torch.equal(ticket[name], torch.where(masks[name], source, 0.0) if name in masks else source)
    embedding = "encoder.embed_tokens.weight"
    mask = masks.candidates(next(p for p in masks.prunables if p.name == embedding))
    assert torch.equal(ticket[embedding][mask], start[embedding][mask])


def test_the_inputs_are_left_alone():
    start, before = deep(3), deep(3)
    masks = MaskSet({p: torch.zeros(p.shape, dtype=torch.bool) for p in prunable_matrices(start)})
    resets.build("shuffle-layers").apply(masks, start, start)
    assert all(torch.equal(start[name], before[name]) for name in before)


def test_another_seed_another_order():
    start = deep(6)
    masks = MaskSet({p: torch.ones(p.shape, dtype=torch.bool) for p in prunable_matrices(start)})
    orders = [
        sources(resets.build("shuffle-layers", seed=seed).apply(masks, start, start), start, 6, "encoder")
        for seed in (1, 1, 2)
    ]
    assert orders[0] == orders[1] != orders[2]


def test_one_layer_and_layers_of_different_widths_are_refused():
    one, uneven = toy_model(), deep(2)
    uneven["decoder.layers.1.fc1.weight"] = torch.zeros(7, 8)
    for model, message in ((one, "encoder has only one layer"), (uneven, r"decoder\.layers\..\.fc1\.weight .*differ")):
        masks = MaskSet({p: torch.ones(p.shape, dtype=torch.bool) for p in prunable_matrices(model)})
        with pytest.raises(PruneError, match=message):
            resets.build("shuffle-layers").apply(masks, model, model)
