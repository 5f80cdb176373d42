"""``nmt-prune shrink`` as a user calls it, and the other tools on what it wrote."""

import json
from pathlib import Path

import pytest
import torch

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.masks.mask_file import load_masks
from tests.toy import FEEDFORWARD, save_toy, toy_state

ENCODER, DECODER = "encoder.layers.0", "decoder.layers.0"


def save(path: Path, zeros: dict[str, slice], dim: int = 0, **changes: object) -> Path:
    """A toy checkpoint with zeros in rows (``dim`` 0) or columns of matrices."""
    state = {**toy_state(), **changes}
    for name, units in zeros.items():
        state["model"][f"{name}.weight"][(units,) if dim == 0 else (slice(None), units)] = 0
    torch.save(state, path)
    return path


@pytest.fixture
def half_dead(tmp_path):
    """The first of two heads of four channels has no values, nor have 5 of 12 units."""
    return save(tmp_path / "half.pt", {f"{ENCODER}.self_attn.v_proj": slice(4), f"{DECODER}.fc1": slice(5)})


@pytest.fixture
def small(run, half_dead):
    run("shrink", half_dead, "--out", "small.pt")
    return Path("small.pt")


def test_the_summary(run, half_dead):
    status, out, _ = run("shrink", half_dead, "--out", "small.pt")
    assert status == 0
    assert "encoder self-attention heads: 2 -> 1 (1)" in out
    assert "decoder cross-attention heads: 2 -> 2 (2)" in out
    assert "decoder FFN units: 12 -> 7 (7)" in out
    before, after = (sum(t.numel() for t in tensors(path).values()) for path in (half_dead, "small.pt"))
    assert before - after == 3 * (4 * 8 + 4) + 8 * 4 + 5 * (8 + 1 + 8)  # q, k, v with biases, out_proj; a unit: 17
    assert f"parameters: {before:,} -> {after:,}" in out
    assert "--arch shrunk_transformer_tiny --encoder-layer-heads 1 --encoder-layer-ffn 12" in out
    assert "nothing to remove" not in out


def tensors(path: Path | str) -> dict[str, torch.Tensor]:
    aliases = ("decoder.embed_tokens.weight", "decoder.output_projection.weight", "encoder.version", "decoder.version")
    return {name: tensor for name, tensor in Checkpoint.load(path).model.items() if name not in aliases}


def test_nothing_to_remove_is_said_and_written(run, tmp_path):
    status, out, _ = run("shrink", save_toy(tmp_path / "dense.pt"), "--out", "same.pt")
    assert (status, "nothing to remove" in out) == (0, True)
    same, dense = tensors("same.pt"), tensors("dense.pt")
    assert all(torch.equal(same[name], tensor) for name, tensor in dense.items())
    assert run("strip", "same.pt", "--out", "stock.pt")[0] == 0


def test_shrinking_again_changes_nothing(run, small):
    status, out, _ = run("shrink", small, "--out", "again.pt")
    assert (status, "nothing to remove" in out) == (0, True)
    assert tensors("again.pt").keys() == tensors(small).keys()
    assert Checkpoint.load("again.pt").state["cfg"] == Checkpoint.load(small).state["cfg"]


def test_the_optimizer_starts_anew(small):
    state = torch.load(small, weights_only=True)
    assert (state["last_optimizer_state"], state["extra_state"]["train_iterator"]["epoch"]) == (None, 1)
    assert state["cfg"]["task"]["_name"] == "translation_pruning"


def test_masks_of_what_is_left_stay(run, tmp_path):
    kept = torch.ones(FEEDFORWARD, 8, dtype=torch.uint8)
    kept[:5], kept[7, 2] = 0, 0
    state = toy_state()
    state["model"][f"{DECODER}.fc1.weight"] *= kept
    state["model"][f"mask_version_1.{DECODER}.fc1.weight"] = kept
    torch.save(state, tmp_path / "masked.pt")
    run("shrink", "masked.pt", "--out", "small.pt")
    masks = {name: mask for name, mask in torch.load("small.pt")["model"].items() if name.startswith("mask_")}
    assert list(masks) == [f"mask_version_1.{DECODER}.fc1.weight"]
    assert torch.equal(masks.popitem()[1], kept[5:])


def test_no_mask_is_left_when_all_that_is_masked_is_gone(run, checkpoint_without_head):
    run("shrink", checkpoint_without_head, "--out", "small.pt")
    assert not Checkpoint.load("small.pt").has_masks


@pytest.fixture
def checkpoint_without_head(tmp_path):
    path = save(tmp_path / "head.pt", {f"{ENCODER}.self_attn.{matrix}_proj": slice(4) for matrix in "qkv"})
    state = torch.load(path, weights_only=True)
    state["model"][f"{ENCODER}.self_attn.out_proj.weight"][:, :4] = 0
    for matrix in "qkv":
        name = f"{ENCODER}.self_attn.{matrix}_proj.weight"
        state["model"][f"mask_version_1.{name}"] = (state["model"][name] != 0).byte()
    torch.save(state, path)
    return path


def test_cross_attention_without_a_head_is_refused_unless_allowed(run, tmp_path):
    path = save(tmp_path / "blind.pt", {f"{DECODER}.encoder_attn.out_proj": slice(None)})
    status, _, error = run("shrink", path, "--out", "small.pt")
    assert (status, error.count("\n"), Path("small.pt").exists()) == (1, 1, False)
    assert "cross-attention of decoder layer 0" in error
    assert "--allow-empty-cross-attention" in error
    status, out, _ = run("shrink", path, "--out", "small.pt", "--allow-empty-cross-attention")
    assert (status, "decoder cross-attention heads: 2 -> 0 (0)" in out) == (0, True)
    assert run("shrink", "small.pt", "--out", "again.pt")[0] == 0  # it was allowed once


def change(path: Path, **entries: object) -> Path:
    state = toy_state()
    for name, entry in entries.items():
        state["model"][name.replace("__", ".")] = entry
    torch.save(state, path)
    return path


BAD = {
    "other part": ({"decoder__layers__0__attn_ln__weight": torch.ones(8)}, "not a plain fairseq Transformer: it has"),
    "contradiction": (
        {f"mask_version_1.{ENCODER}.fc1.weight": torch.zeros(12, 8, dtype=torch.uint8)},
        "that its mask removes are not zero",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_checkpoints(run, tmp_path, name):
    entries, message = BAD[name]
    status, _, error = run("shrink", change(tmp_path / "bad.pt", **entries), "--out", "small.pt")
    assert (status, error.count("\n"), message in error) == (1, 1, True), error
    assert "bad.pt" in error


def test_models_of_another_kind(run, tmp_path):
    torch.save({"model": {"w": torch.ones(2, 2)}}, tmp_path / "other.pt")
    assert "no matrix of a fairseq" in run("shrink", "other.pt", "--out", "small.pt")[2]
    state = toy_state()
    state["model"] = {name: tensor for name, tensor in state["model"].items() if name.startswith("decoder")}
    torch.save(state, tmp_path / "lm.pt")
    assert "lm.pt has no encoder layers" in run("shrink", "lm.pt", "--out", "small.pt")[2]
    torch.save({**toy_state(), "cfg": None}, tmp_path / "plain.pt")
    assert "no encoder_attention_heads" in run("shrink", "plain.pt", "--out", "small.pt")[2]
    del (state := toy_state())["model"][f"{ENCODER}.fc1.bias"]
    torch.save(state, tmp_path / "part.pt")
    assert f"{ENCODER}.fc1.bias is missing" in run("shrink", "part.pt", "--out", "small.pt")[2]
    assert not Path("small.pt").exists()


def test_strip_refuses(run, small):
    status, _, error = run("strip", small, "--out", "stock.pt")
    assert (status, error.count("\n"), "small.pt is shrunk" in error) == (1, 1, True)
    assert not Path("stock.pt").exists()


def test_inspect_counts_the_heads_that_are_left(run, small, tmp_path):
    found = {row["name"]: row for row in json.loads(run("inspect", small, "--json")[1])["sublayers"]}
    assert (found[f"{ENCODER}.self_attn"]["units"], found[f"{ENCODER}.self_attn"]["dead_units"]) == (1, 0)
    assert (found[f"{DECODER}.self_attn"]["units"], found[f"{DECODER}.ffn"]["units"]) == (2, 7)
    assert run("inspect", small)[0] == 0


def test_a_sublayer_that_is_gone_is_no_obstacle(run, tmp_path):
    path = save(tmp_path / "gone.pt", {f"{ENCODER}.fc2": slice(None), f"{ENCODER}.self_attn.out_proj": slice(None)})
    run("shrink", path, "--out", "small.pt")
    left = [row["name"] for row in json.loads(run("inspect", "small.pt", "--json")[1])["matrices"]]
    assert [name for name in left if ".layers." in name] == [name for name in left if DECODER in name]
    assert len(left) == 1 + 2 * 4 + 2  # embedding, two attentions, fc1 and fc2
    assert run("mask", "small.pt", "--sparsity", 0.5, "--budget", "erk", "--out", "m.safetensors")[0] == 0


def test_a_mask_and_a_ticket_of_a_shrunk_model(run, small):
    assert run("mask", small, "--sparsity", 0.5, "--out", "m.safetensors")[0] == 0
    masks, _ = load_masks("m.safetensors")
    assert masks[f"{DECODER}.fc1.weight"].shape == (7, 8)
    assert run("ticket", "--mask-from", small, "--sparsity", 0.5, "--reset", "keep", "--out", "t.pt")[0] == 0
    ticket = Checkpoint.load("t.pt")
    assert ticket.masks.sparsity() == pytest.approx(0.5, abs=0.001)
    assert ticket.state["cfg"]["model"]["decoder_layer_ffn"] == "7"


def test_masks_of_different_widths_do_not_compare(run, small, half_dead):
    run("mask", half_dead, "--sparsity", 0.5, "--out", "m.safetensors")
    for other in (half_dead, "m.safetensors"):
        status, _, error = run("compare", small, other)
        assert (status, error.count("\n")) == (1, 1)
        assert "(7, 8)" in error
        assert "(12, 8)" in error
