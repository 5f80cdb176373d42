"""Masks of blocks on their way from a checkpoint into a compact model."""

import torch

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.storage.checkpoints.from_checkpoint import compact_model
from nmt_prune.storage.format.encoding import encode
from tests.storage.models import assert_same_bits
from tests.storage.trained import change, save_model


def test_the_padding_row_lies_in_the_blocks_of_its_neighbours(tmp_path):
    """Its mask is all ones in a checkpoint, and one element of the stored mask is to stand for a block."""
    path = save_model(tmp_path, sparsity=0.5)
    embedding = "encoder.embed_tokens.weight"
    names = (embedding, "decoder.embed_tokens.weight", "decoder.output_projection.weight")
    weight = torch.load(path, weights_only=False)["model"][embedding]
    rows, columns = (torch.arange(size) // block for size, block in zip(weight.shape, (8, 4), strict=True))
    mask = (rows[:, None] + columns) % 2 == 0
    weight = (weight + 1) * mask
    weight[1], mask[1] = 0, True
    tensors = {name.replace(".", "__"): weight for name in names}
    change(path, **tensors, **{f"mask_version_1__{embedding.replace('.', '__')}": mask.byte()})
    stored = compact_model(Checkpoint.load(path)).weights[embedding]
    record, _ = encode(stored)
    assert record["mask"]["block"] == [8, 4]
    assert_same_bits(stored.dense(), weight.numpy())
