"""Counting what is left, and what is dead, on masks small enough to count by eye."""

import pytest
import torch

from nmt_prune.checkpoints import MASK_MODULE, Checkpoint
from nmt_prune.checkpoints.weights import existing, parameter_count
from nmt_prune.inspection.emptied import sublayers
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import parse
from nmt_prune.masks.statistics import largest_weight, matrix_statistics, totals
from tests.tiny_model import TYINGS, tiny_model
from tests.toy import toy_state

EMBEDDING, FC2 = parse("encoder.embed_tokens.weight", (4, 3)), parse("encoder.layers.0.fc2.weight", (2, 4))
MASKS = MaskSet(
    {
        EMBEDDING: torch.tensor([[0, 0, 0], [0, 0, 0], [1, 1, 0], [0, 0, 0]]).bool(),
        FC2: torch.tensor([[1, 0, 0, 1], [0, 0, 0, 1]]).bool(),
    }
)
FC1 = "encoder.layers.0.fc1.weight"


def test_counts_per_matrix():
    embedding, matrix = matrix_statistics(
        MASKS, {EMBEDDING: torch.ones(4, 3), FC2: torch.tensor([[-7.0, 2, 1, 0]] * 2)}
    )
    assert (embedding.kept, embedding.dead_rows, embedding.dead_columns, embedding.largest) == (2, 2, 1, 1.0)
    assert (matrix.kept, matrix.dead_rows, matrix.dead_columns, matrix.largest) == (3, 0, 2, 7.0)
    assert (embedding.sparsity, matrix.sparsity) == (7 / 9, 5 / 8)
    assert matrix_statistics(MASKS)[0].largest is None


def test_three_denominators():
    found = totals(MASKS, parameters=40)
    assert found == {"prunable": pytest.approx(12 / 17), "all": 12 / 40, "body": 5 / 8}


@pytest.mark.parametrize("tying", TYINGS)
def test_parameters_are_counted_as_the_model_counts_them(tmp_path, tying):
    model = tiny_model(tying)
    torch.save({"model": {name: tensor.clone() for name, tensor in model.state_dict().items()}}, tmp_path / "c.pt")
    assert parameter_count(Checkpoint.load(tmp_path / "c.pt")) == sum(p.numel() for p in model.parameters())


def test_a_stock_checkpoint_exists_where_it_is_not_zero_and_a_masked_one_by_its_masks(tmp_path):
    state = toy_state()
    state["model"][FC1][:3] = 0  # 24 of the 1232 weights that count
    torch.save(state, tmp_path / "stock.pt")
    assert existing(Checkpoint.load(tmp_path / "stock.pt")).sparsity() == pytest.approx(24 / 1232)
    state["model"][f"{MASK_MODULE}.{FC1}"] = (torch.arange(96).view(12, 8) >= 40).byte()
    state["model"][FC1][:5] = 0
    torch.save(state, tmp_path / "masked.pt")
    assert existing(Checkpoint.load(tmp_path / "masked.pt")).sparsity() == pytest.approx(40 / 1232)
    masked = Checkpoint.load(tmp_path / "masked.pt")
    assert totals(existing(masked), parameter_count(masked))["body"] == pytest.approx(40 / 1152)


def test_the_largest_weight():
    assert largest_weight([torch.tensor([1.0, -3.5]), torch.tensor([2.0], dtype=torch.float16)]) == 3.5
    assert largest_weight([]) == 0


def test_dead_heads_units_and_sublayers():
    attention = "decoder.layers.0.self_attn"
    values, outputs = torch.ones(4, 4).bool(), torch.ones(4, 4).bool()
    values[0:2] = False  # head 0 of 2 has no values
    outputs[:, 3] = False  # head 1 still speaks through column 2
    names = [f"{attention}.v_proj.weight", f"{attention}.out_proj.weight"]
    ffn = torch.zeros(2, 4, dtype=torch.bool)
    masks = MaskSet(
        {parse(names[0], (4, 4)): values, parse(names[1], (4, 4)): outputs, parse(FC2.name, (2, 4)): ffn}
        | {parse("decoder.layers.0.fc2.weight", (2, 4)): MASKS[FC2.name]}
    )
    heads, dead, units = sublayers(masks, {"decoder": 2})
    assert (heads.name, heads.units, heads.dead_units, heads.is_dead) == (attention, 2, 1, False)
    assert (dead.name, dead.units, dead.dead_units, dead.is_dead) == ("encoder.layers.0.ffn", 4, 4, True)
    assert (units.units, units.dead_units, units.is_dead) == (4, 2, False)
    assert sublayers(masks, {})[0].dead_units is None
