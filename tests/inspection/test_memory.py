"""Bytes of models, counted by hand on the toy checkpoint: 8 wide, 12 units, 11 subwords, one layer per stack."""

import torch

from nmt_prune.checkpoints import MASK_MODULE, Checkpoint
from nmt_prune.inspection.description import inspect
from nmt_prune.inspection.memory import bitmask_bytes, memory_bytes
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import parse
from nmt_prune.pruning.quantization.size import quantized_bytes
from nmt_prune.shrinking.checkpoint import shrink
from tests.toy import toy_state

# Embedding 11 · 8; three attentions of four 8 × 8 matrices with biases; two FFNs of 12 · 8 + 12 and 8 · 12 + 8; the
# toy has three layer norms of 8 weights and 8 biases.
PARAMETERS = 88 + 3 * 4 * (64 + 8) + 2 * (96 + 12 + 96 + 8) + 3 * 16
PADDING = 8  # the row of the embedding that is zero and not stored
FC1, FC2 = "encoder.layers.0.fc1.weight", "encoder.layers.0.fc2.weight"


def checkpoint(tmp_path, **masks: torch.Tensor) -> Checkpoint:
    state = toy_state()
    for name, mask in masks.items():
        state["model"][name] = state["model"][name] * mask
        state["model"][f"{MASK_MODULE}.{name}"] = mask.byte()
    torch.save(state, tmp_path / "toy.pt")
    return Checkpoint.load(tmp_path / "toy.pt")


def test_a_dense_model_is_stored_as_it_is(tmp_path):
    dense = checkpoint(tmp_path)
    assert (memory_bytes(dense), quantized_bytes(dense)) == (4 * PARAMETERS, 4 * (PARAMETERS - PADDING))


def test_a_pruned_matrix_is_values_and_bits(tmp_path):
    mask = torch.arange(96).view(12, 8) >= 40  # 56 of 96 weights; 96 bits are 12 bytes
    pruned = checkpoint(tmp_path, **{FC1: mask})
    stored = 4 * (PARAMETERS - PADDING - 96) + 4 * 56 + 12
    assert (memory_bytes(pruned), quantized_bytes(pruned)) == (4 * PARAMETERS, stored)
    assert inspect(tmp_path / "toy.pt")["megabytes"]["bitmask"] * 1e6 == stored


def test_dead_units_take_nothing_once_shrunk(tmp_path):
    units = torch.arange(12) >= 5
    masks = {FC1: units[:, None].expand(12, 8), FC2: units.expand(8, 12)}
    original = checkpoint(tmp_path, **masks)
    shrunk = Checkpoint(original.path, shrink(original).state)
    # Five rows of fc1 with their biases and five columns of fc2; what is left is dense.
    left = PARAMETERS - 5 * (8 + 1 + 8)
    assert (memory_bytes(shrunk), quantized_bytes(shrunk)) == (4 * left, 4 * (left - PADDING))
    assert memory_bytes(original) == 4 * PARAMETERS


def test_bits_are_rounded_up_to_bytes_and_the_padding_row_is_not_stored():
    embedding = parse("encoder.embed_tokens.weight", (3, 3))
    mask = torch.tensor([[1, 0, 0], [0, 0, 0], [1, 1, 1]]).bool()
    # 4 values, 9 bits in 2 bytes, and 5 parameters outside of the matrix.
    assert bitmask_bytes(MaskSet({embedding: mask}), parameters=14) == 4 * 4 + 2 + 4 * 5
    full = torch.ones(3, 3, dtype=torch.bool)
    assert bitmask_bytes(MaskSet({embedding: full}), parameters=14) == 4 * (14 - 3)
