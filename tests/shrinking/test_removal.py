"""Removal from one sublayer, by numbers worked out by hand."""

import pytest
import torch
from torch.nn import functional

from nmt_prune.shrinking.removal import Removable, remove_dead_units


def ones(weights):
    """Masks of what is not zero."""
    return {name: tensor != 0 for name, tensor in weights.items() if tensor.dim() == 2}


def feedforward(function=functional.relu, norm=None):
    """Three units of two inputs: one alive, one that passes relu(2) on, one whose output nobody reads."""
    weights = {
        "fc1.weight": torch.tensor([[1.0, 2.0], [0.0, 0.0], [3.0, 4.0]]),
        "fc1.bias": torch.tensor([0.5, 2.0, 7.0]),
        "fc2.weight": torch.tensor([[5.0, 6.0, 0.0], [7.0, -8.0, 0.0]]),
        "fc2.bias": torch.tensor([0.25, 1.0]),
        "norm.weight": torch.ones(2),
        "norm.bias": torch.zeros(2),
    }
    return weights, ones(weights), Removable(("fc1",), "fc2", 1, function, norm)


def test_a_constant_unit_moves_into_the_output_bias():
    weights, masks, sublayer = feedforward()
    assert remove_dead_units(weights, masks, sublayer) == (3, 1)
    assert weights["fc1.weight"].tolist() == [[1, 2]]
    assert weights["fc1.bias"].tolist() == [0.5]
    assert weights["fc2.weight"].tolist() == [[5], [7]]
    assert weights["fc2.bias"].tolist() == [12.25, -15]  # 0.25 + 6 * 2, 1 - 8 * 2
    assert {name: mask.shape for name, mask in masks.items()} == {"fc1.weight": (1, 2), "fc2.weight": (2, 1)}


def test_a_constant_goes_through_the_activation_function():
    weights, masks, sublayer = feedforward()
    weights["fc1.bias"][1] = -2
    remove_dead_units(weights, masks, sublayer)
    assert weights["fc2.bias"].tolist() == [0.25, 1]  # relu(-2) = 0


def test_with_an_unknown_activation_function_a_constant_unit_stays():
    weights, masks, sublayer = feedforward(function=None)
    assert remove_dead_units(weights, masks, sublayer) == (3, 2)
    assert weights["fc2.bias"].tolist() == [0.25, 1]


@pytest.mark.parametrize(("norm", "left"), [(None, {"fc2.bias", "norm.weight", "norm.bias"}), ("norm", {"fc2.bias"})])
def test_of_an_empty_sublayer_the_output_bias_is_left_and_a_layer_norm_behind_it(norm, left):
    weights, masks, sublayer = feedforward(norm=norm)
    masks["fc2.weight"][:, 0] = False
    weights["fc2.weight"][:, 0] = 0
    assert remove_dead_units(weights, masks, sublayer) == (3, 0)
    assert weights.keys() == left
    assert weights["fc2.bias"].tolist() == [12.25, -15]
    assert masks == {}
    assert remove_dead_units(weights, masks, sublayer) == (0, 0)


def test_heads():
    """Three heads of two channels. The first lives by one channel; of the second one channel has no value and the other
    no output; of the third no value has a weight, so its bias passes on."""
    linear = torch.arange(1.0, 37).view(6, 6)
    weights = {f"{matrix}.weight": linear.clone() for matrix in "qkvo"}
    weights |= {f"{matrix}.bias": torch.arange(1.0, 7) for matrix in "qkvo"}
    weights["v.weight"][[1, 2, 4, 5]] = 0
    weights["o.weight"][:, 3] = 0
    masks = ones(weights)
    before = weights["o.weight"].clone()
    assert remove_dead_units(weights, masks, Removable(("q", "k", "v"), "o", 2, lambda value: value, None)) == (3, 1)
    assert torch.equal(weights["q.weight"], linear[:2])
    assert weights["k.bias"].tolist() == [1, 2]
    assert torch.equal(weights["o.weight"], linear[:, :2])
    expected = torch.arange(1.0, 7) + before[:, 2] * 3 + before[:, 4] * 5 + before[:, 5] * 6
    assert torch.equal(weights["o.bias"], expected)
    assert masks["v.weight"].tolist() == [[True] * 6, [False] * 6]
