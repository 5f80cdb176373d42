"""Checkpoints of older fairseq versions mean what they mean to fairseq."""

import argparse
import json
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.checkpoints.old_names import upgraded
from nmt_prune.checkpoints.stock import strip
from tests.toy import save_toy, toy_model, toy_state


def as_old(model: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names of 2018: fused projections, numbered layer norms, the tied output projection not stored."""
    old: dict[str, Tensor] = {}
    norms = {"encoder": ["self_attn_layer_norm", "final_layer_norm"]}
    norms["decoder"] = ["self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm"]
    for name, tensor in model.items():
        layer, _, rest = name.partition(".layers.0.")
        norm, _, kind = rest.rpartition(".")
        if "k_proj" in name or "v_proj" in name or name == "decoder.output_projection.weight":
            continue
        if "q_proj" in name:
            parts = [model[name.replace("q_proj", f"{part}_proj")] for part in "qkv"]
            old[name.replace("q_proj.", "in_proj_")] = torch.cat(parts)
        elif norm in norms.get(layer, ()):
            old[f"{layer}.layers.0.layer_norms.{norms[layer].index(norm)}.{kind}"] = tensor
        else:
            old[name] = tensor
    return old


def test_old_names_become_those_of_today():
    today = toy_model()
    old = as_old(today)
    assert "encoder.layers.0.self_attn.in_proj_weight" in old
    assert "decoder.layers.0.layer_norms.1.bias" in old
    found = upgraded(old)
    assert found.keys() == today.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in today.items())


def test_names_of_today_stay_in_their_order():
    assert list(upgraded(toy_model())) == list(toy_model())


def test_an_untied_output_projection_was_embed_out():
    model = {"decoder.embed_tokens.weight": torch.zeros(3, 2), "decoder.embed_out": torch.ones(3, 2)}
    assert torch.equal(upgraded(model)["decoder.output_projection.weight"], torch.ones(3, 2))


def test_an_adaptive_softmax_has_no_output_projection():
    model = {"decoder.embed_tokens.weight": torch.zeros(3, 2), "decoder.adaptive_softmax.head.weight": torch.ones(3, 2)}
    assert upgraded(model).keys() == model.keys()


def save(path: Path, **changes: Any) -> Path:
    state = {**toy_state(), **changes}
    torch.save({key: value for key, value in state.items() if value is not ...}, path)
    return path


def test_masks_and_statistics_of_an_old_checkpoint(run, tmp_path):
    save(tmp_path / "old.pt", model=as_old(toy_model()))
    save_toy(tmp_path / "new.pt")
    said = []
    for name in ("old", "new"):
        status, _, error = run("mask", tmp_path / f"{name}.pt", "--sparsity", 0.8, "--out", f"{name}.safetensors")
        assert (status, error) == (0, "")
        assert run("ticket", "--mask-from", tmp_path / f"{name}.pt", "--sparsity", 0.5, "--out", f"{name}-t.pt")[0] == 0
        said.append(json.loads(run("inspect", tmp_path / f"{name}-t.pt", "--json")[1]))
    masks = [Checkpoint.load(tmp_path / f"{name}-t.pt").masks for name in ("old", "new")]
    assert masks[0] == masks[1]
    assert said[0]["sparsity"] == said[1]["sparsity"]


def meters() -> dict[str, Any]:
    from fairseq.logging.meters import AverageMeter, TimeMeter

    loss = AverageMeter()
    loss.update(3.0)
    return {"train_meters": OrderedDict(train_loss=loss, wall=TimeMeter())}


FLAT = argparse.Namespace(arch="transformer_tiny", task="translation", encoder_attention_heads=2, encoder_embed_dim=8,
                          decoder_attention_heads=2, decoder_embed_dim=8)  # fmt: skip
OLD: dict[str, dict[str, Any]] = {
    "no history": {"optimizer_history": ..., "last_optimizer_state": None},
    "an empty history": {"optimizer_history": []},
    "no state of the iterator": {"extra_state": {"epoch": 3}},
    "args": {"args": FLAT, "cfg": None},
    "args alone": {"args": FLAT, "cfg": ...},
    "OmegaConf": {"cfg": OmegaConf.create(toy_state()["cfg"])},
}


@pytest.mark.parametrize("name", OLD)
def test_what_is_missing_or_of_another_kind(run, tmp_path, name):
    path = save(tmp_path / "old.pt", **OLD[name])
    for command in (
        ["inspect", path],
        ["mask", path, "--sparsity", 0.5, "--out", "m.safetensors"],
        ["ticket", "--mask-from", path, "--sparsity", 0.5, "--out", "t.pt"],
        ["strip", path, "--out", "s.pt"],
        ["average", path, path, "--out", "a.pt"],
    ):
        assert run(*command)[::2] == (0, ""), command
    ticket = Checkpoint.load(tmp_path / "t.pt")
    assert (ticket.model_settings["_name"], ticket.model_settings["encoder_attention_heads"]) == (
        ("masked_transformer", 2) if "args" in name else ("masked_transformer_tiny", 2)
    )
    assert Checkpoint.load(tmp_path / "s.pt").model_settings["arch"] == "transformer"


def test_meters_are_read_and_left_aside(tmp_path):
    path = save(tmp_path / "old.pt", extra_state=meters())
    assert strip(Checkpoint.load(path))["extra_state"].keys() == {"train_iterator"}


READ_BEFORE = """
import sys, torch
from nmt_prune.checkpoints import Checkpoint
assert "fairseq" not in sys.modules
Checkpoint.load(sys.argv[1])
import nmt_prune.models
meters = torch.load(sys.argv[1])["extra_state"]["train_meters"]
print(meters["train_loss"].avg, type(meters["wall"]).__module__)
"""


@pytest.mark.slow
def test_fairseq_reads_its_own_meters_where_a_checkpoint_was_read_before_it_was_loaded(tmp_path):
    path = save(tmp_path / "old.pt", extra_state=meters())
    said = subprocess.run([sys.executable, "-c", READ_BEFORE, path], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["3.0", "fairseq.logging.meters"]


READ_BY_TWO = """
import sys, threading, torch
from nmt_prune.checkpoints.safe_types import reading

def read_first():
    with reading():
        has_begun.set()
        may_end.wait()

has_begun, may_end = threading.Event(), threading.Event()
first = threading.Thread(target=read_first)
first.start()
has_begun.wait()
threading.Timer(0.2, may_end.set).start()
with reading():
    first.join()
    print(len(torch.load(sys.argv[1])["extra_state"]["train_meters"]))
"""


@pytest.mark.slow
def test_two_threads_read_meters(tmp_path):
    path = save(tmp_path / "old.pt", extra_state=meters())
    ran = subprocess.run([sys.executable, "-c", READ_BY_TWO, path], capture_output=True, text=True)
    assert ran.stdout == "2\n", ran.stderr


def test_a_stock_checkpoint_becomes_a_masked_ticket(run, tmp_path):
    state = toy_state()
    state["cfg"]["model"] |= {"_name": "transformer_tiny", "arch": "transformer_tiny"}
    torch.save(state, tmp_path / "stock.pt")
    assert run("ticket", "--mask-from", tmp_path / "stock.pt", "--sparsity", 0.5, "--out", "t.pt")[0] == 0
    settings = Checkpoint.load(tmp_path / "t.pt").model_settings
    assert (settings["_name"], settings["arch"]) == ("masked_transformer", "masked_transformer")
    assert settings["encoder_ffn_embed_dim"] == 12


def test_a_matrix_that_is_not_understood(run, tmp_path):
    path = save(
        tmp_path / "adapters.pt", model={**toy_model(), "encoder.layers.0.adapter.down.weight": torch.ones(4, 8)}
    )
    status, _, error = run("mask", path, "--sparsity", 0.5, "--out", "m.safetensors")
    assert status == 1
    assert "adapters.pt: encoder.layers.0.adapter.down.weight (4, 8) is no matrix of a fairseq Transformer" in error
    assert not Path("m.safetensors").exists()


def test_positions_and_projections_are_understood_and_never_pruned(tmp_path):
    beside = ("encoder.embed_positions.weight", "decoder.project_in_dim.weight", "decoder.adaptive_softmax.head.weight")
    path = save(tmp_path / "more.pt", model={**toy_model(), **{name: torch.ones(4, 8) for name in beside}})
    assert not {prunable.name for prunable in Checkpoint.load(path).matrices} & set(beside)


def test_averaging_needs_equal_names_and_shapes(run, tmp_path):
    normed = {**toy_model(), "encoder.layernorm_embedding.weight": torch.ones(8)}
    paths = [save(tmp_path / "plain.pt"), save(tmp_path / "normed.pt", model=normed)]
    for order in (paths, paths[::-1]):
        status, _, error = run("average", *order, "--out", "a.pt")
        assert status == 1
        assert "encoder.layernorm_embedding.weight is" in error
        assert not Path("a.pt").exists()
