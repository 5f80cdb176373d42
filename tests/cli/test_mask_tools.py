"""The mask tools as a user calls them: what they write, and one line with status 1 for everything that is wrong."""

import json
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nmt_prune.checkpoints import MASK_MODULE, Checkpoint
from nmt_prune.masks.mask_file import load_masks, save_masks
from nmt_prune.masks.mask_set import MaskSet
from tests.drawings import texts
from tests.toy import DIMENSION, VOCABULARY, save_toy, toy_state


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    return save_toy(tmp_path / "trained.pt")


def test_mask_has_the_exact_count_and_its_provenance(run, checkpoint):
    status, out, _ = run("mask", checkpoint, "--sparsity", 0.75, "--out", "m.safetensors")
    masks, provenance = load_masks("m.safetensors")
    # 12 attention matrices of 8x8, 4 feed-forward ones of 12x8 and 10 rows of 8 in the embedding.
    size = 12 * 64 + 4 * 96 + (VOCABULARY - 1) * DIMENSION
    kept = sum(masks.kept(prunable) for prunable in masks.prunables)
    assert status == 0
    assert (kept, f"{kept:,} of {size:,}" in out) == (size // 4, True)
    assert provenance["parent_sha256"] == Checkpoint.load(checkpoint).digest
    assert sum(entry[0] for entry in provenance["kept_of"].values()) == kept


def test_equal_inputs_give_equal_bytes(run, checkpoint):
    for out in ("a.safetensors", "b.safetensors"):
        run("mask", checkpoint, "--sparsity", 0.5, "--saliency", "random", "--seed", 3, "--out", out)
    assert Path("a.safetensors").read_bytes() == Path("b.safetensors").read_bytes()


def test_ticket_rewinds_survivors_and_zeroes_the_rest(run, checkpoint, tmp_path):
    start = save_toy(tmp_path / "rewind_0.pt", seed=1, updates=0)
    files = ("--mask-from", checkpoint, "--rewind-from", start)
    status, *_ = run("ticket", *files, "--sparsity", 0.5, "--reset", "rewind", "--out", "t.pt")
    ticket, name = Checkpoint.load("t.pt"), "encoder.layers.0.fc1.weight"
    trained, rewound = Checkpoint.load(checkpoint).model[name], Checkpoint.load(start).model[name]
    survives = trained.abs().flatten().argsort(descending=True)[: trained.numel() // 2]
    expected = torch.zeros(trained.numel())
    expected[survives] = rewound.flatten()[survives]
    assert (status, ticket.num_updates) == (0, 0)
    assert torch.equal(ticket.model[name].flatten(), expected)
    bias = "encoder.layers.0.fc1.bias"
    assert torch.equal(ticket.model[bias], Checkpoint.load(start).model[bias])


def test_inspect_counts_what_the_ticket_lost(run, checkpoint):
    run("ticket", "--mask-from", checkpoint, "--reset", "keep", "--sparsity", 0.75, "--out", "t.pt")
    _, out, _ = run("inspect", "t.pt", "--json")
    found = json.loads(out)
    parameters = sum(
        tensor.numel()
        for name, tensor in Checkpoint.load(checkpoint).model.items()
        if name not in ("decoder.embed_tokens.weight", "decoder.output_projection.weight") and "version" not in name
    )
    prunable = sum(row["size"] for row in found["matrices"])
    assert found["sparsity"]["prunable"] == 0.75
    assert found["sparsity"]["all"] == pytest.approx(0.75 * prunable / parameters)
    assert found["megabytes"]["dense"] == pytest.approx(4e-6 * parameters)
    assert "sparsity: prunable 0.7500" in run("inspect", "t.pt")[1]


def test_inspect_finds_a_dead_head_and_a_dead_sublayer(run, tmp_path):
    state = toy_state()
    state["model"]["encoder.layers.0.self_attn.v_proj.weight"][:4] = 0  # the first of two heads of four rows
    state["model"]["decoder.layers.0.fc2.weight"][:] = 0
    torch.save(state, tmp_path / "stock.pt")
    _, out, _ = run("inspect", "stock.pt")
    assert "encoder.layers.0.self_attn: 1 of 2 heads dead" in out
    assert "decoder.layers.0.ffn: dead" in out
    assert "counted from: zeros in the weights" in out


def test_compare_reports_overlap_and_chance(run, checkpoint, tmp_path):
    other = save_toy(tmp_path / "other.pt", seed=5)
    run("mask", checkpoint, "--sparsity", 0.5, "--out", "a.safetensors")
    run("mask", other, "--sparsity", 0.5, "--out", "b.safetensors")
    total = json.loads(run("compare", "a.safetensors", "b.safetensors", "--json")[1])[-1]
    assert total["chance"] == pytest.approx(1 / 3, abs=1e-3)  # two halves: 1/4 over 3/4
    assert total["jaccard"] == pytest.approx(1 / 3, abs=0.05)  # independent weights
    same = json.loads(run("compare", checkpoint, checkpoint, "--json")[1])[-1]
    assert (same["jaccard"], same["sign_agreement"]) == (1.0, 1.0)


def test_strip_leaves_stock_keys_and_plain_values(run, checkpoint):
    run("ticket", "--mask-from", checkpoint, "--reset", "keep", "--sparsity", 0.5, "--out", "t.pt")
    assert any(key.startswith(MASK_MODULE) for key in Checkpoint.load("t.pt").state["model"])
    status, *_ = run("strip", "t.pt", "--out", "stock.pt")
    state = torch.load("stock.pt", weights_only=True)
    assert status == 0
    assert state["model"].keys() == toy_state()["model"].keys()
    assert (state["cfg"]["model"]["_name"], state["cfg"]["task"]["_name"]) == ("transformer", "translation")


def test_average_is_the_mean_under_the_same_mask(run, checkpoint, tmp_path):
    state = torch.load(checkpoint, weights_only=True)
    state["model"] = {name: tensor * 3 for name, tensor in state["model"].items()}
    torch.save(state, tmp_path / "three.pt")
    assert run("average", checkpoint, "three.pt", "--out", "mean.pt")[0] == 0
    name = "decoder.layers.0.fc2.weight"
    torch.testing.assert_close(Checkpoint.load("mean.pt").model[name], 2 * Checkpoint.load(checkpoint).model[name])


def test_average_refuses_other_masks_and_huge_weights(run, checkpoint, tmp_path):
    run("ticket", "--mask-from", checkpoint, "--reset", "keep", "--sparsity", 0.5, "--out", "t.pt")
    status, _, error = run("average", checkpoint, "t.pt", "--out", "mean.pt")
    assert (status, "different masks" in error, Path("mean.pt").exists()) == (1, True, False)
    state = torch.load(checkpoint, weights_only=True)
    state["model"]["encoder.layers.0.fc1.weight"][0, 0] = 150.0
    torch.save(state, tmp_path / "huge.pt")
    status, _, error = run("average", "huge.pt", "huge.pt", "--out", "mean.pt")
    assert (status, "magnitude 150" in error, Path("mean.pt").exists()) == (1, True, False)


def foreign(path: Path) -> None:
    save_file({"x": torch.zeros(2)}, path)


def truncated(path: Path) -> None:
    path.write_bytes(save_toy(path).read_bytes()[:-300])


def masks(path: Path) -> None:
    save_masks(MaskSet.dense(Checkpoint.load(save_toy(path.with_suffix(".toy"))).matrices), path, {})


BAD_FILES = {
    "missing.pt": (lambda path: None, "does not exist"),
    "truncated.pt": (truncated, "cannot be read as a checkpoint"),
    "text.pt": (lambda path: path.write_text("not a checkpoint"), "is a text, not a checkpoint"),
    "folder.pt": (Path.mkdir, "is a folder; give the file of a checkpoint"),
    "masks.pt": (masks, "is a mask file, not a checkpoint"),
    "zip.pt": (lambda path: zipfile.ZipFile(path, "w").close(), "is a zip archive, not a checkpoint"),
    "checkpoint.safetensors": (save_toy, "is a checkpoint, not a mask file"),
    "list.pt": (lambda path: torch.save([1], path), "not a fairseq checkpoint"),
    "other.pt": (lambda path: torch.save({"model": {"w": torch.ones(2, 2)}}, path), "no matrix of a fairseq"),
    "missing.safetensors": (lambda path: None, "does not exist"),
    "foreign.safetensors": (foreign, "safetensors file of another program"),
    "text.safetensors": (lambda path: path.write_text("not a mask"), "is a text, not a mask file"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_one_line(run, tmp_path, name):
    make, message = BAD_FILES[name]
    make(tmp_path / name)
    status, out, error = run("inspect", name)
    assert (status, out, error.count("\n")) == (1, "", 1)
    assert message in error
    assert name in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sparsity", 1.0], "--sparsity 1 is outside [0, 1)"),
        (["--sparsity", -0.1], "--sparsity -0.1 is outside [0, 1)"),
        (["--sparsity", 0.5, "--saliency", "magnitud"], "did you mean magnitude?"),
        (["--sparsity", 0.5, "--budget", "global:flor=1"], "unknown setting 'flor'"),
        (["--sparsity", 0.5, "--budget", "global:floor=2"], "floor=2 is outside [0, 1]"),
        (["--sparsity", 0.5, "--prune-set", "head"], "unknown prune set 'head'"),
        (["--sparsity", 0.5, "--mask-control", "upside"], "unknown mask control 'upside'"),
        (["--sparsity", 0.5, "--extension", "none.py"], "extension none.py does not exist"),
        (
            ["--sparsity", 0.5, "--data", "d"],
            "--data d does nothing here: --saliency magnitude is not measured on data",
        ),
    ],
)
def test_bad_settings_write_nothing(run, checkpoint, arguments, message):
    Path("old.safetensors").write_text("precious")
    status, _, error = run("mask", checkpoint, *arguments, "--out", "old.safetensors")
    assert (status, error.count("\n"), message in error) == (1, 1, True), error
    assert Path("old.safetensors").read_text() == "precious"


def test_a_mask_file_has_nothing_to_prune(run, tmp_path):
    masks(tmp_path / "m.safetensors")
    status, _, error = run("mask", "m.safetensors", "--sparsity", 0.5, "--out", "n.safetensors")
    assert (status, "m.safetensors is a mask file, which has no weights" in error) == (1, True)


def test_less_sparsity_than_there_is_already_is_refused(run, checkpoint):
    run("ticket", "--mask-from", checkpoint, "--reset", "keep", "--sparsity", 0.5, "--out", "t.pt")
    status, _, error = run("mask", "t.pt", "--sparsity", 0.4, "--out", "m.safetensors")
    assert (status, "below what is already pruned" in error) == (1, True)


def test_rewind_point_of_another_architecture_is_refused(run, checkpoint, tmp_path):
    state = toy_state()
    state["model"]["encoder.layers.0.fc1.bias"] = torch.zeros(5)
    torch.save(state, tmp_path / "other.pt")
    files = ("--mask-from", checkpoint, "--rewind-from", "other.pt")
    status, _, error = run("ticket", *files, "--sparsity", 0.5, "--reset", "rewind", "--out", "t.pt")
    assert (status, "encoder.layers.0.fc1.bias is (5,) there" in error, Path("t.pt").exists()) == (1, True, False)


def test_full_disk_leaves_the_old_file(run, checkpoint, monkeypatch):
    Path("m.safetensors").write_text("precious")

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    status, _, error = run("mask", checkpoint, "--sparsity", 0.5, "--out", "m.safetensors")
    assert (status, "No space left on device" in error) == (1, True)
    assert Path("m.safetensors").read_text() == "precious"
    assert not list(Path().glob(".m.safetensors*"))


def test_list_names_every_entry(run):
    _, out, _ = run("list")
    for name in ("magnitude", "random", "matrix", "global-body", "erk", "cubic", "oneshot", "rewind", "random-sign"):
        assert f"  {name} " in out


@pytest.mark.parametrize("as_file", [True, False])
def test_matrices_outside_of_the_prune_set_are_no_agreement(run, tmp_path, as_file):
    """Neither in masks nor in checkpoints: 12 attention matrices of 8x8 and 4 feed-forward ones of 12x8 count."""
    files = []
    for seed in (1, 2):
        flags = ["--sparsity", 0.5, "--saliency", "random", "--seed", seed, "--prune-set", "body"]
        files.append(tmp_path / f"m{seed}.safetensors")
        run("mask", save_toy(tmp_path / "c.pt"), *flags, "--out", files[-1])
        if not as_file:
            ticket = tmp_path / f"t{seed}.pt"
            run("ticket", "--mask-from", files[-1], "--rewind-from", tmp_path / "c.pt", "--out", ticket)
            files[-1] = ticket
    *rows, total = json.loads(run("compare", *files, "--json")[1])
    assert [row["counted"] for row in rows] == ["embed" not in row["name"] for row in rows]
    assert total["size"] == 12 * 64 + 4 * 96
    assert total["chance"] == pytest.approx(1 / 3)
    table = run("compare", *files)[1]
    assert "–: neither mask prunes the matrix" in table
    found = json.loads(run("stability", *files, "--json")[1])
    assert (found["groups"], found["kept"], found["cochran_q"]) == (total["size"], [576, 576], None)
    assert "Cochran's Q: not computed" in run("stability", *files)[1]


def test_stability_counts_agreement_and_draws_the_survivors(run, tmp_path):
    checkpoints = [save_toy(tmp_path / f"seed{seed}.pt", seed=seed) for seed in (1, 2, 3)]
    masks = [tmp_path / f"m{index}.safetensors" for index in range(3)]
    for checkpoint, mask in zip(checkpoints, masks, strict=True):
        assert run("mask", checkpoint, "--sparsity", 0.5, "--group", "unit", "--out", mask)[0] == 0
    status, said, _ = run("stability", *masks, "--group", "unit", "--heat-map", tmp_path / "units.svg", "--json")
    found = json.loads(said)
    assert status == 0
    assert (found["masks"], found["groups"], found["kept"]) == (3, 24, [12, 12, 12])
    assert {"encoder ffn", "decoder ffn", "kept by how many of 3"} <= texts(tmp_path / "units.svg")
    assert "kept by all" in run("stability", *masks)[1]
    status, _, error = run("stability", *masks, "--heat-map", tmp_path / "all.png")
    assert (status, error.count("\n")) == (1, 1)
    assert "--heat-map shows heads or units of layers" in error
    assert not (tmp_path / "all.png").exists()
