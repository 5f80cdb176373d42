"""``nmt-prune pack`` and ``unpack`` as a user calls them, on trained models."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nmt_prune.storage.format.compact_file import load_compact, save_compact
from tests.models.shrinking import LAYERS, PRE_NORM, SIZES, head, mask, translations, unit
from tests.storage.models import assert_same_shortlist, small_model
from tests.tasks.training import MASK, load


@pytest.fixture(scope="module")
def masked(pruned) -> Path:
    return pruned.folder / "checkpoint_last.pt"


def assert_same_model(one: Path, other: Path) -> None:
    """Asserts that two checkpoints have the same state dict, bit for bit where a mask keeps a weight."""
    expected, found = load(one)["model"], load(other)["model"]
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert tensor.dtype == found[name].dtype
        assert torch.equal(tensor, found[name]), name
        kept = expected.get(MASK + name, tensor != 0).bool()
        assert tensor[kept].numpy().tobytes() == found[name][kept].numpy().tobytes(), name


def test_a_masked_checkpoint_comes_back(run, masked, corpus):
    assert run("pack", masked, "--out", "model.nmt")[0] == 0
    assert run("unpack", "model.nmt", "--out", "back.pt")[:2] == (0, "back.pt: masked_transformer_tiny\n")
    assert_same_model(masked, Path("back.pt"))
    assert any(name.startswith(MASK) for name in load(Path("back.pt"))["model"])
    assert translations(corpus, Path("back.pt")) == translations(corpus, masked)
    # What other commands read of a checkpoint is there as well.
    assert run("inspect", "back.pt")[1] == run("inspect", masked)[1].replace("checkpoint_last.pt", "back.pt")
    assert run("pack", "back.pt", "--out", "again.nmt")[0] == 0
    for name, weight in load_compact("model.nmt").weights.items():
        np.testing.assert_array_equal(weight.dense(), load_compact("again.nmt").weights[name].dense())


def test_a_shortlist_from_the_data_of_the_training(run, masked, corpus):
    assert run("shortlist", masked, "--data", corpus, "--out", "list.txt")[0] == 0
    assert run("pack", masked, "--shortlist", "list.txt", "--out", "packed.nmt")[0] == 0
    packed = load_compact("packed.nmt")
    save_compact(replace(packed, shortlist=None), "plain.nmt")
    assert run("shortlist", "plain.nmt", "--out", "with.nmt")[0] == 0
    assert_same_shortlist(load_compact("with.nmt").shortlist, packed.shortlist)
    assert len(packed.shortlist.frequent) >= 10
    assert run("shortlist", "plain.nmt", "--sentences", 5, "--out", "few.nmt")[0] == 0
    assert len(load_compact("few.nmt").shortlist.candidates) < len(packed.shortlist.candidates)
    save_compact(small_model(), "other.nmt")
    status, _, errors = run("shortlist", "other.nmt", "--data", corpus, "--out", "x.nmt")
    assert status == 1
    assert "than the model; give its own training data" in errors or "the model of en-de" in errors


@pytest.mark.parametrize("flags", ["", PRE_NORM])
def test_a_shrunk_checkpoint_comes_back(run, run_training, corpus, tmp_path, flags):
    trained = run_training("two", SIZES, flags)
    gone = {
        **head("encoder.layers.0.self_attn", 0, 1, 2, 3),
        **head("decoder.layers.1.encoder_attn", 1, 3),
        **unit("decoder.layers.0", range(20)),
        **unit("encoder.layers.1", range(0, 20, 3)),
    }
    path = mask(trained, gone, tmp_path / "masked.pt")
    assert run("shrink", path, "--out", "small.pt")[0] == 0
    assert run("pack", "small.pt", "--out", "model.nmt")[0] == 0
    assert run("unpack", "model.nmt", "--out", "back.pt")[0] == 0
    assert_same_model(Path("small.pt"), Path("back.pt"))
    assert translations(corpus, Path("back.pt")) == translations(corpus, Path("small.pt"))
    stack = load_compact("model.nmt").architecture.encoder
    assert (stack.heads, len(stack.ffn)) == ((0, 4), LAYERS)


def test_a_stock_checkpoint_comes_back(run, masked, corpus):
    assert run("strip", masked, "--out", "stock.pt")[0] == 0
    assert run("pack", "stock.pt", "--out", "model.nmt")[0] == 0
    assert run("unpack", "model.nmt", "--out", "back.pt")[:2] == (0, "back.pt: transformer\n")
    assert_same_model(Path("stock.pt"), Path("back.pt"))
    assert load(Path("back.pt"))["cfg"]["task"]["_name"] == "translation"


def test_a_quantized_checkpoint_comes_back(run, masked, corpus):
    assert run("quantize", masked, "--quantizer", "uniform", "--data", corpus, "--out", "q.pt")[0] == 0
    assert run("pack", "q.pt", "--out", "model.nmt")[0] == 0
    assert run("unpack", "model.nmt", "--out", "back.pt")[0] == 0
    assert_same_model(Path("q.pt"), Path("back.pt"))
    assert translations(corpus, Path("back.pt")) == translations(corpus, Path("q.pt"))
    assert load_compact("model.nmt").weights["encoder.layers.0.fc1.weight"].csr().values.dtype == np.int8


def test_the_table(run, masked):
    out = run("pack", masked, "--out", "model.nmt", "--deflated")[1]
    rows = {row[0]: row for row in (re.split(r"\s{2,}", line.strip()) for line in out.splitlines()) if len(row) == 7}
    total = sum(tensor.numel() for tensor in load(masked)["model"].values() if tensor.dtype == torch.float32) - 2
    embedding = load(masked)["model"]["encoder.embed_tokens.weight"].numel()
    assert int(rows["total"][1].replace(",", "")) == total - 2 * embedding  # of which two are tied
    assert set(rows) >= {"encoder vocabulary", "decoder cross-attention", "encoder FFN", "vectors", "total"}
    counts = [[int(cell.replace(",", "")) for cell in row[1:4]] for name, row in rows.items() if name[0] in "edv"]
    assert [sum(column) for column in zip(*counts, strict=True)] == [
        int(cell.replace(",", "")) for cell in rows["total"][1:4]
    ]
    assert f"model.nmt: {Path('model.nmt').stat().st_size:,} bytes" in out
    assert len(re.split(r"\s{2,}", run("pack", masked, "--out", "m.nmt")[1].splitlines()[-3].strip())) == 6


def test_smaller_types_are_smaller(run, masked):
    sizes = {}
    for values in ("float32", "float16", "bfloat16", "int8"):
        assert run("pack", masked, "--out", f"{values}.nmt", "--values", values)[0] == 0
        sizes[values] = Path(f"{values}.nmt").stat().st_size
    assert sizes["float32"] > sizes["float16"] > sizes["bfloat16"]
    assert sizes["float16"] > sizes["int8"]


def test_another_data_folder(run, masked, corpus, tmp_path):
    shutil.copytree(corpus, tmp_path / "data")
    (tmp_path / "data" / "sentencepiece.model").write_bytes(b"pieces")
    assert run("pack", masked, "--out", "model.nmt", "--data", "data")[0] == 0
    assert load_compact("model.nmt").sentencepiece == b"pieces"
    status, _, error = run("pack", masked, "--out", "none.nmt", "--data", "none")
    assert (status, error.count("\n"), "'none' does not exist" in error) == (1, 1, True)
    assert not Path("none.nmt").exists()


def test_what_is_refused(run, masked, tmp_path):
    for arguments, message in (
        (("pack", masked, "--out", "x", "--values", "int4"), "--values int4: choose from float32"),
        (("pack", "none.pt", "--out", "x"), "checkpoint none.pt does not exist"),
        (("unpack", "none.nmt", "--out", "x"), "compact model none.nmt does not exist"),
        (("unpack", masked, "--out", "x"), "is a checkpoint, not a compact model"),
    ):
        status, _, error = run(*arguments)
        assert (status, error.count("\n"), message in error) == (1, 1, True), error
        assert not Path("x").exists()


GROUPS = {"model": {}, "task": {}}
PROVENANCES = {
    "nothing": ({}, "does not say how fairseq was configured"),
    "no task": ({"configuration": {"model": {}}, "history": {}}, "does not say how fairseq was configured"),
    "text": ({"configuration": "x", "history": {}}, "does not say how fairseq was configured"),
    "no masks": ({"configuration": GROUPS, "history": {}, "dtypes": {}}, "a provenance that nmt-prune pack does not"),
    "types": (
        {"configuration": GROUPS, "history": {}, "masked": [], "dtypes": {"x": "int8"}},
        "a provenance that nmt-prune pack does not write",
    ),
}


@pytest.mark.parametrize("name", PROVENANCES)
def test_a_model_that_was_no_checkpoint(run, tmp_path, name):
    facts, message = PROVENANCES[name]
    save_compact(replace(small_model(), provenance=facts), tmp_path / "model.nmt")
    status, _, error = run("unpack", "model.nmt", "--out", "x.pt")
    assert (status, error.count("\n"), message in error) == (1, 1, True), error
    assert not Path("x.pt").exists()
