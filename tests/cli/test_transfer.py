"""Tests of ``nmt-prune transfer``: masks and tickets fitted to another dictionary."""

import re

import torch

from nmt_prune.checkpoints import Checkpoint, save
from nmt_prune.masks.mask_file import load_masks
from tests.toy import save_toy


def test_transfer_fits_a_mask_to_another_dictionary(run, tmp_path):
    symbols = {"a": [f"s{index}" for index in range(7)], "b": ["s3", "new"]}
    for folder, names in symbols.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "test.en-de.de.idx").touch()
        for language in ("en", "de"):
            (tmp_path / folder / f"dict.{language}.txt").write_text("".join(f"{name} 1\n" for name in names))
    checkpoint = save_toy(tmp_path / "trained.pt")
    mask, out = tmp_path / "m.safetensors", tmp_path / "moved.safetensors"
    run("mask", checkpoint, "--sparsity", 0.5, "--out", mask)
    folders = ("--from-data", tmp_path / "a", "--to-data", tmp_path / "b")
    status, said, _ = run("transfer", mask, *folders, "--out", out)
    assert status == 0
    assert "encoder.embed_tokens.weight: 5 of 6 subwords matched" in said
    before, after = load_masks(mask)[0], load_masks(out)[0]
    assert torch.equal(after["encoder.embed_tokens.weight"][4], before["encoder.embed_tokens.weight"][7])
    onto = Checkpoint.load(save_toy(tmp_path / "onto.pt", seed=2)).state
    for name, tensor in onto["model"].items():
        if name.endswith(("embed_tokens.weight", "output_projection.weight")):
            onto["model"][name] = tensor[:6].clone()
    save(onto, tmp_path / "onto.pt")
    status, said, _ = run(
        "transfer", checkpoint, *folders, "--onto", tmp_path / "onto.pt", "--out", tmp_path / "parent.pt"
    )
    assert (status, said.splitlines()[0]) == (0, "encoder.embed_tokens.weight: 5 of 6 subwords matched")
    fitted, parent = (Checkpoint.load(path).model for path in (tmp_path / "parent.pt", checkpoint))
    assert torch.equal(fitted["encoder.layers.0.fc1.weight"], parent["encoder.layers.0.fc1.weight"])
    assert torch.equal(fitted["encoder.embed_tokens.weight"][4], parent["encoder.embed_tokens.weight"][7])
    assert torch.equal(fitted["encoder.embed_tokens.weight"][5], onto["model"]["encoder.embed_tokens.weight"][5])
    status, _, error = run("transfer", mask, *folders, "--onto", tmp_path / "onto.pt", "--out", tmp_path / "x.pt")
    assert (status, error.count("nmt-prune: error:")) == (1, 1)
    assert "m.safetensors is a mask file, not a checkpoint" in error
    status, _, error = run("transfer", checkpoint, *folders, "--out", tmp_path / "x.safetensors")
    assert (status, "trained.pt is dense, and has no mask to fit" in error) == (1, True)
    run("ticket", "--mask-from", checkpoint, "--reset", "keep", "--sparsity", 0.5, "--out", "t.pt")
    run("strip", "t.pt", "--out", "stock.pt")
    run("transfer", "stock.pt", *folders, "--out", tmp_path / "stock.safetensors")
    name = "encoder.layers.0.fc1.weight"
    assert torch.equal(load_masks(tmp_path / "stock.safetensors")[0][name], Checkpoint.load("t.pt").masks[name])
    _, _, error = run("mask", "stock.pt", "--sparsity", 0.1, "--saliency", "random", "--out", "z.safetensors")
    assert re.search(r"stock\.pt has no masks, and \d\d\.\d% of its weights are zero: they count as weights", error)
    status, _, error = run("transfer", mask, *folders, "--out", out, "--embedding", "rows")
    assert (status, error) == (1, "nmt-prune: error: --embedding rows is unknown; choose match or dense\n")
