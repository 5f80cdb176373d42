"""Quantized weights: by hand, within their error bounds, and only supported bit widths."""

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.prunable import parse
from nmt_prune.pruning.quantization import quantizers
from nmt_prune.pruning.quantization.grid import TernaryGrid, UniformGrid

FC1 = parse("encoder.layers.0.fc1.weight", (2, 4))
EMBEDDING = parse("encoder.embed_tokens.weight", (4, 4))


def fitted(grid, weight):
    return grid.quantized(weight, grid.scale(weight))


def test_ternary_by_hand():
    # max 2, Δ = 0.1: 0.05 and -0.09 become 0; α = (2 + 1) / 2 and (0.1 + 0.3) / 2; a dead row stays dead.
    weight = torch.tensor([[2.0, -1.0, 0.05, 0.0], [0.1, -0.3, -0.09, 0.0], [0.01, 0.0, 0.0, -0.05]])
    by_row = fitted(TernaryGrid(0.05, "row", 1.0), weight)
    assert torch.allclose(by_row, torch.tensor([[1.5, -1.5, 0, 0], [0.2, -0.2, 0, 0], [0, 0, 0, 0]]))
    whole = fitted(TernaryGrid(0.05, "tensor", 1.0), weight)
    assert torch.allclose(whole, torch.tensor([[0.85, -0.85, 0, 0], [0.85, -0.85, 0, 0], [0, 0, 0, 0]]))


@pytest.mark.parametrize("per", ["row", "tensor"])
def test_ternary_weights_are_their_own_ternary_weights(per):
    grid = TernaryGrid(0.05, per, 1.0)
    once = fitted(grid, torch.randn(20, 30, generator=torch.Generator().manual_seed(1)))
    assert torch.allclose(fitted(grid, once), once)
    assert all(len(row.abs().unique()) <= 2 for row in once)


def test_uniform_by_hand():
    # 4 bits, max 4: Δ = 4 / 8; the largest positive value saturates at 7 · 0.5, the largest negative one does not.
    weight = torch.tensor([[4.0, 0.3, -0.2, 0.0], [-4.0, 3.7, 1.76, 1.74]])
    grid = UniformGrid(4)
    assert grid.codes(weight, grid.scale(weight)).tolist() == [[7, 1, 0, 0], [-8, 7, 4, 3]]
    assert fitted(grid, weight).tolist() == [[3.5, 0.5, 0, 0], [-4.0, 3.5, 2.0, 1.5]]


@pytest.mark.parametrize("bits", [4, 8])
def test_errors_are_at_most_half_a_step_inside_the_range(bits):
    weight = torch.randn(50, 100, generator=torch.Generator().manual_seed(1))
    grid = UniformGrid(bits)
    scale = 0.5 * grid.scale(weight)  # so that much lies outside
    quantized = grid.quantized(weight, scale)
    low, high = -(2 ** (bits - 1)) * scale, (2 ** (bits - 1) - 1) * scale
    inside = (weight >= low) & (weight <= high)
    assert 0 < inside.sum() < inside.numel()
    assert ((weight - quantized).abs() <= scale / 2 + 1e-6)[inside].all()
    assert torch.equal(quantized, torch.where(inside, quantized, torch.where(weight > 0, high, low)))
    assert len((quantized / scale).round().unique()) == 2**bits


@pytest.mark.parametrize("grid", [UniformGrid(8), UniformGrid(4), TernaryGrid(0.05, "row", 1.0)], ids=str)
def test_zeros_stay_zeros(grid):
    weight = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
    mask = torch.rand(6, 8, generator=torch.Generator().manual_seed(2)) > 0.5
    mask[2] = False
    assert not fitted(grid, weight * mask)[~mask].any()
    assert not fitted(grid, torch.zeros(3, 4)).any()


def test_the_first_and_the_last_layer_are_left_alone_or_have_8_bits():
    assert quantizers.build("ternary").grid(EMBEDDING) is None
    assert quantizers.build("ternary:vocabulary_bits=8").grid(EMBEDDING) == UniformGrid(8)
    assert quantizers.build("uniform:weight_bits=4,activation_bits=4").grid(EMBEDDING) == UniformGrid(8)
    assert quantizers.build("uniform:vocabulary_bits=32").grid(EMBEDDING) is None
    assert quantizers.build("uniform:weight_bits=4").grid(FC1) == UniformGrid(4)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("uniform:weight_bits=3", "weight_bits=3 is not supported; choose 4, 8"),
        ("uniform:activation_bits=3", "activation_bits=3 is not supported; choose 4, 8, 32"),
        ("uniform:vocabulary_bits=2", "vocabulary_bits=2 is not supported; choose 4, 8, 32"),
        ("ternary:activation_bits=1", "activation_bits=1 is not supported"),
        ("ternary:beta=1", "beta=1 must lie in"),
        ("ternary:per=column", "per='column'"),
        ("int8", "unknown quantizer 'int8'; known: ternary, uniform"),
    ],
)
def test_what_nothing_computes_with_is_refused(spec, message):
    with pytest.raises(PruneError, match=message) as error:
        quantizers.build(spec)
    assert "\n" not in str(error.value)
