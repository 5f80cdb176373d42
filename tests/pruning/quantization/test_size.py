"""Bytes of quantized checkpoints, counted by hand."""

import pytest
import torch

from nmt_prune.checkpoints import Checkpoint, save
from nmt_prune.checkpoints.weights import parameter_count
from nmt_prune.errors import PruneError
from nmt_prune.inspection.description import inspect
from nmt_prune.pruning.quantization.conversion import quantize
from nmt_prune.pruning.quantization.quantized import Facts
from nmt_prune.pruning.quantization.size import quantized_bytes
from nmt_prune.shrinking.checkpoint import shrink
from tests.toy import toy_state

# The toy has 12 attention matrices of 8 x 8, two fc1 of 12 x 8, two fc2 of 8 x 12, a tied embedding of 11 x 8 whose
# second row is padding: 1,152 + 88 matrix weights; 12 · 8 + 2 · 12 + 2 · 8 biases; 3 · 2 · 8 of layer norms.
BODY, EMBEDDING, REST = 1152, 80, 96 + 24 + 16 + 48
ROWS = 12 * 8 + 2 * 12 + 2 * 8


def checkpoint(tmp_path, group="element", keep=None):
    state = toy_state()
    state["cfg"]["task"]["group"] = group
    if keep is not None:
        for name, weight in state["model"].items():
            if ".layers." in name and weight.dim() == 2:
                state["model"][name] = weight * keep(weight)
    return Checkpoint(tmp_path / "toy.pt", state)


def quantized(original, spec):
    return Checkpoint(original.path, quantize(original, spec))


def first_block(weight):
    """Of every row only the first four inputs."""
    mask = torch.zeros_like(weight)
    mask[:, :4] = 1
    return mask


def test_a_quantized_checkpoint_is_not_shrunk(tmp_path):
    with pytest.raises(PruneError, match=r"is quantized.*; shrink first, then run nmt-prune quantize"):
        shrink(quantized(checkpoint(tmp_path), "ternary"))


def test_full_precision(tmp_path):
    dense = checkpoint(tmp_path)
    assert quantized_bytes(dense) == 4 * (BODY + EMBEDDING + REST)
    assert parameter_count(dense) == BODY + EMBEDDING + 8 + REST


def test_ternary_blocks(tmp_path):
    """2 bits per weight of a kept block, 1 bit per block of 4, 4 bytes per row for its scale."""
    pruned = quantized(checkpoint(tmp_path, "block:rows=1,columns=4", first_block), "ternary:beta=0")
    kept, blocks = 4 * ROWS, BODY // 4
    assert quantized_bytes(pruned) == (2 * kept + blocks) / 8 + 4 * (ROWS + EMBEDDING + REST)


def test_inspect_says_it(tmp_path):
    pruned = quantized(checkpoint(tmp_path, "block:rows=1,columns=4", first_block), "ternary:beta=0")
    save(pruned.state, pruned.path)
    assert inspect(pruned.path)["megabytes"]["stored"] == quantized_bytes(pruned) / 1e6


def test_unknown_groups(tmp_path):
    pruned = checkpoint(tmp_path, "of-an-extension", first_block)
    assert quantized_bytes(pruned) == (32 * 4 * ROWS + BODY) / 8 + 4 * (EMBEDDING + REST)
    with pytest.raises(PruneError, match="unknown group"):
        quantized_bytes(pruned, "of-an-extension")


def test_zeros_inside_a_kept_block_are_stored(tmp_path):
    def one_weight(weight):
        mask = torch.zeros_like(weight)
        mask[:, 0] = 1
        return mask

    pruned = quantized(checkpoint(tmp_path, "block:rows=1,columns=4", one_weight), "ternary:beta=0")
    assert quantized_bytes(pruned) == (2 * 4 * ROWS + BODY // 4) / 8 + 4 * (ROWS + EMBEDDING + REST)
    assert quantized_bytes(pruned, "element") == (2 * ROWS + BODY) / 8 + 4 * (ROWS + EMBEDDING + REST)


def test_an_index_that_saves_nothing_is_left_out(tmp_path):
    assert quantized_bytes(quantized(checkpoint(tmp_path), "ternary:beta=0")) == 2 * BODY / 8 + 4 * (
        ROWS + EMBEDDING + REST
    )


@pytest.mark.parametrize("bits", [4, 8])
def test_uniform(tmp_path, bits):
    found = quantized(checkpoint(tmp_path), f"uniform:weight_bits={bits},activation_bits=32")
    zeros = sum(int((w == 0).sum()) for p, w in found.matrices.items() if p.in_body)
    assert zeros < BODY / bits, "too few for an index"
    assert quantized_bytes(found) == (bits * BODY + 8 * EMBEDDING) / 8 + 4 * (ROWS + 11 + REST)


def test_units_share_an_index(tmp_path):
    state = toy_state()
    state["cfg"]["task"]["group"] = "unit"
    for stack in ("encoder", "decoder"):
        state["model"][f"{stack}.layers.0.fc1.weight"][:6] = 0
        state["model"][f"{stack}.layers.0.fc2.weight"][:, :6] = 0
    found = quantized(Checkpoint(tmp_path / "toy.pt", state), "ternary:beta=0")
    feedforward = 2 * (2 * (6 * 8 + 8 * 6) + 12)
    assert quantized_bytes(found) == (2 * 12 * 64 + feedforward) / 8 + 4 * (ROWS + EMBEDDING + REST)


def test_codes_are_whole_numbers_and_zeros_stay(tmp_path):
    found = quantized(checkpoint(tmp_path, keep=first_block), "uniform:weight_bits=4,activation_bits=32")
    facts = Facts.of(found.state["model"])
    assert set(facts.bits.values()) == {4, 8}
    for prunable, weight in found.matrices.items():
        codes = weight / facts.scales[prunable.name]
        assert torch.allclose(codes, codes.round(), atol=1e-4)
        if prunable.in_body:
            assert not weight[:, 4:].any()
    tied = [found.model[name] for prunable in found.matrices for name in prunable.names if not prunable.in_body]
    assert len(tied) == 3
    assert all(torch.equal(tied[0], other) for other in tied)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (None, "was not trained with a quantizer: say with --quantizer"),
        ("uniform", "ranges of activations are measured on training data: give --data"),
        ("uniform:weight_bits=3", "weight_bits=3 is not supported"),
    ],
)
def test_what_is_missing_is_said(tmp_path, spec, message):
    with pytest.raises(PruneError, match=message) as error:
        quantize(checkpoint(tmp_path), spec)
    assert "\n" not in str(error.value)


def test_quantizing_twice_is_refused(tmp_path):
    with pytest.raises(PruneError, match="is quantized already"):
        quantize(quantized(checkpoint(tmp_path), "ternary"), "ternary")
