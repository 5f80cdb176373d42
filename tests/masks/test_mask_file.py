"""Mask files: what is in them byte by byte, and everything that can be wrong with them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_file import load_masks, save_masks
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import parse, prunable_matrices
from tests.toy import save_toy, toy_model

FC1 = "encoder.layers.0.fc1.weight"
FACTS = {"shape": [3, 4], "aliases": [], "padding_row": None}
WRITE_TOY_MASKS = """
import sys
from tests.masks.test_mask_file import toy_masks
from nmt_prune.masks.mask_file import save_masks
save_masks(toy_masks(), sys.argv[1], {"parent": "ä.pt", "seed": 3})
"""


def toy_masks(density: float = 0.3) -> MaskSet:
    source = torch.Generator().manual_seed(5)
    matrices = prunable_matrices(toy_model())
    return MaskSet({prunable: torch.rand(prunable.shape, generator=source) < density for prunable in matrices})


def write(path: Path, header: object, **tensors: np.ndarray) -> Path:
    path.write_bytes(save(tensors, metadata={"nmt_prune": json.dumps(header)}))
    return path


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "m.safetensors"


def test_masks_and_provenance_come_back(file):
    masks = toy_masks()
    save_masks(masks, file, {"parent": "ä.pt", "sparsity": 0.7})
    loaded, provenance = load_masks(file)
    assert loaded == masks
    assert loaded.prunables == masks.prunables
    assert loaded.digest() == masks.digest()
    embedding = masks.prunables[0]
    assert (provenance["parent"], provenance["sparsity"]) == ("ä.pt", 0.7)
    assert provenance["kept_of"][embedding.name] == [masks.kept(embedding), 80]
    assert provenance["sparsity_reached"] == masks.sparsity()


def test_the_first_weight_is_the_highest_bit_of_the_first_byte(file):
    mask = torch.tensor([[1, 0, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0]]).bool()
    save_masks(MaskSet({parse(FC1, (3, 4)): mask}), file, {})
    with safe_open(file, framework="np") as opened:
        assert list(opened.keys()) == [FC1]
        assert opened.get_tensor(FC1).tolist() == [0b1000_0011, 0b1010_0000]
        header = json.loads(opened.metadata()["nmt_prune"])
    assert header["format"] == 1
    assert header["matrices"] == {FC1: FACTS}


def test_a_file_written_by_hand_is_read(file):
    write(file, {"format": 1, "matrices": {FC1: FACTS}}, **{FC1: np.array([0b0100_0001, 0b1111_0000], np.uint8)})
    masks, provenance = load_masks(file)
    assert masks[FC1].int().tolist() == [[0, 1, 0, 0], [0, 0, 0, 1], [1, 1, 1, 1]]
    assert provenance == {}


def test_equal_masks_give_equal_bytes_in_every_process(file, tmp_path):
    save_masks(toy_masks(), file, {"parent": "ä.pt", "seed": 3})
    again, other = tmp_path / "again.safetensors", tmp_path / "other.safetensors"
    save_masks(toy_masks(), again, {"parent": "ä.pt", "seed": 3})
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    subprocess.run(
        [sys.executable, "-c", WRITE_TOY_MASKS, other], env=environment, cwd=Path(__file__).parents[2], check=True
    )
    assert file.read_bytes() == again.read_bytes() == other.read_bytes()


def test_masks_on_the_way_to_a_model_are_writable_and_independent(file):
    save_masks(toy_masks(), file, {})
    masks, _ = load_masks(file)
    masks[FC1].fill_(True)
    assert load_masks(file)[0] == toy_masks()


@pytest.mark.parametrize("cut", [0, 1, 8, 9, 500, 0.5, -1])
def test_a_truncated_file_is_refused(file, cut):
    save_masks(toy_masks(), file, {})
    content = file.read_bytes()
    file.write_bytes(content[: int(cut * len(content)) if cut == 0.5 else cut])
    with pytest.raises(PruneError, match=r"m\.safetensors is (empty, )?not a mask file"):
        load_masks(file)


def test_a_flipped_bit_is_refused(file):
    save_masks(toy_masks(), file, {})
    content = bytearray(file.read_bytes())
    content[-1] ^= 0x80  # the last matrix has a whole last byte
    file.write_bytes(content)
    with pytest.raises(PruneError, match=r"m\.safetensors is damaged: its digest is not that of its masks"):
        load_masks(file)


KINDS = {b"hello world": "a text, ", b"\x80\x04]\x94.": "a checkpoint, ", bytes(range(256)): ""}


@pytest.mark.parametrize("content", KINDS, ids=["text", "pickle", "noise"])
def test_a_file_of_another_kind_is_refused(file, content):
    file.write_bytes(content)
    with pytest.raises(PruneError, match=rf"m\.safetensors is {KINDS[content]}not a mask file"):
        load_masks(file)


def test_a_checkpoint_is_not_a_mask_file(tmp_path):
    with pytest.raises(PruneError, match="is a checkpoint, not a mask file"):
        load_masks(save_toy(tmp_path / "checkpoint_last.pt"))


def test_a_missing_file_and_a_folder_are_named(tmp_path, file):
    with pytest.raises(PruneError, match=f"mask file {file} does not exist"):
        load_masks(file)
    with pytest.raises(PruneError, match=f"{tmp_path} is a folder, not a mask file"):
        load_masks(tmp_path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"nmt_prune": "[]"}, {"nmt_prune": '{"matrices": 3}'}])
def test_safetensors_of_somebody_else_are_refused(file, metadata):
    file.write_bytes(save({"x": np.zeros(2, np.uint8)}, metadata=metadata))
    whose = "without masks" if "nmt_prune" in (metadata or {}) else "of another program, not a mask file"
    with pytest.raises(PruneError, match=f"is a safetensors file {whose}"):
        load_masks(file)


def test_metadata_that_is_no_json_is_refused(file):
    file.write_bytes(save({"x": np.zeros(2, np.uint8)}, metadata={"nmt_prune": "{"}))
    with pytest.raises(PruneError, match="is not a mask file"):
        load_masks(file)


def test_another_format_is_refused(file):
    write(file, {"format": 2, "matrices": {}})
    with pytest.raises(PruneError, match="has mask format 2, this version reads 1; update nmt-prune"):
        load_masks(file)


BITS = np.zeros(2, np.uint8)
DAMAGED = {
    "missing tensor": ({FC1: FACTS}, {}),
    "too few bytes": ({FC1: FACTS}, {FC1: BITS[:1]}),
    "too many bytes": ({FC1: FACTS}, {FC1: np.zeros(3, np.uint8)}),
    "two dimensions": ({FC1: FACTS}, {FC1: BITS[:, None]}),
    "other type": ({FC1: FACTS}, {FC1: BITS.astype(np.int8)}),
    "other shape": ({FC1: {**FACTS, "shape": [3, 40]}}, {FC1: BITS}),
    "vector": ({FC1: {**FACTS, "shape": [12]}}, {FC1: BITS}),
    "negative shape": ({FC1: {**FACTS, "shape": [-3, -4]}}, {FC1: BITS}),
    "shape of text": ({FC1: {**FACTS, "shape": "3x4"}}, {FC1: BITS}),
    "shape of floats": ({FC1: {**FACTS, "shape": [3.0, 4]}}, {FC1: BITS}),
    "no shape": ({FC1: {"aliases": [], "padding_row": None}}, {FC1: BITS}),
    "no aliases": ({FC1: {**FACTS, "aliases": None}}, {FC1: BITS}),
    "padding row outside": ({FC1: {**FACTS, "padding_row": 7}}, {FC1: BITS}),
    "no facts": ({FC1: 3}, {FC1: BITS}),
    "never pruned": ({"encoder.layer_norm.weight": FACTS}, {"encoder.layer_norm.weight": BITS}),
}


@pytest.mark.parametrize(("matrices", "tensors"), DAMAGED.values(), ids=DAMAGED)
def test_a_file_that_contradicts_itself_is_refused(file, matrices, tensors):
    write(file, {"format": 1, "matrices": matrices}, **tensors)
    with pytest.raises(PruneError, match=r"the mask of \S+ is missing or of the wrong size; the file is damaged"):
        load_masks(file)


def test_a_tensor_that_nobody_announced_is_refused(file):
    write(file, {"format": 1, "matrices": {FC1: FACTS}}, **{FC1: BITS, "more": BITS})
    with pytest.raises(PruneError, match="unknown tensor more; the file is damaged"):
        load_masks(file)


def test_nothing_is_overwritten_when_writing_fails(file, monkeypatch):
    save_masks(toy_masks(), file, {})
    before = file.read_bytes()

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(PruneError, match=r"cannot write .*m\.safetensors: No space left on device"):
        save_masks(toy_masks(0.9), file, {})
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_masks_of_a_checkpoint_survive_the_way_through_a_file(file, tmp_path):
    matrices = Checkpoint.load(save_toy(tmp_path / "c.pt")).matrices
    save_masks(MaskSet({prunable: weight > 0 for prunable, weight in matrices.items()}), file, {})
    load_masks(file)[0].check_matches(matrices, "the file")
