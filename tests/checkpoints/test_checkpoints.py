"""Checkpoints: what loads, what is refused without running anything, what a full disk does."""

import argparse
import os
import pickle
import resource
import subprocess
import sys
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from nmt_prune.checkpoints import MASK_MODULE, Checkpoint, save
from nmt_prune.errors import PruneError
from tests.toy import save_toy, toy_model, toy_state

FC1 = "encoder.layers.0.fc1.weight"


def archive(kind: str) -> bytes:
    buffer = BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as zipped:
            zipped.writestr("data.txt", "hello")
    else:
        with tarfile.open(fileobj=buffer, mode="w") as tarred:
            tarred.addfile(tarfile.TarInfo("data.txt"))
    return buffer.getvalue()


def in_legacy_format(path: Path) -> Path:
    torch.save(toy_state(), path, _use_new_zipfile_serialization=False)
    return path


def test_a_checkpoint_is_read(tmp_path):
    checkpoint = Checkpoint.load(save_toy(tmp_path / "c.pt", updates=321))
    assert checkpoint.num_updates == 321
    assert list(checkpoint.model) == list(toy_model())
    assert len(checkpoint.matrices) == 17
    assert not checkpoint.has_masks
    assert checkpoint.masks.sparsity() == 0


def test_masks_are_read_and_are_no_weights(tmp_path):
    state = toy_state()
    mask = torch.rand(12, 8) < 0.5
    state["model"][f"{MASK_MODULE}.{FC1}"] = mask.byte()
    state["model"][FC1] = state["model"][FC1] * mask
    torch.save(state, tmp_path / "c.pt")
    checkpoint = Checkpoint.load(tmp_path / "c.pt")
    assert checkpoint.has_masks
    assert torch.equal(checkpoint.masks[FC1], mask)
    assert list(checkpoint.model) == list(toy_model())


def test_a_mask_of_another_shape_is_refused_by_file(tmp_path):
    state = toy_state()
    state["model"][f"{MASK_MODULE}.{FC1}"] = torch.ones(8, 12, dtype=torch.uint8)
    torch.save(state, tmp_path / "c.pt")
    with pytest.raises(PruneError, match=r"c\.pt: .*fc1\.weight"):
        _ = Checkpoint.load(tmp_path / "c.pt").masks


@pytest.mark.parametrize("cut", [0, 1, 10, 100, 1000, 0.3, 0.6, 0.9, -200, -1])
@pytest.mark.parametrize("write", [save_toy, in_legacy_format])
def test_a_truncated_checkpoint_is_refused(tmp_path, cut, write):
    path = write(tmp_path / "c.pt")
    content = path.read_bytes()
    path.write_bytes(content[: int(cut * len(content)) if isinstance(cut, float) else cut])
    with pytest.raises(
        PruneError,
        match=r"c\.pt (cannot be read as a checkpoint: it is truncated or of another kind|is empty, not a checkpoint)",
    ):
        Checkpoint.load(path)


FOREIGN = {
    "empty": b"",
    "text": b"It was a dark and stormy night.\n" * 40,
    "picture": b"GIF89a" + bytes(range(256)),
    "noise": np.random.default_rng(0).bytes(5000),
    "zip": archive("zip"),
    "tar": archive("tar"),
    "pickled numbers": pickle.dumps(list(range(10))),
    "pickled exception": pickle.dumps(ValueError("x")),
}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_a_file_of_another_kind_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "c.pt").write_bytes(content)
    with pytest.raises(PruneError) as error:
        Checkpoint.load(tmp_path / "c.pt")
    kind = {b"": "empty", FOREIGN["text"]: "a text", FOREIGN["zip"]: "a zip archive"}.get(content)
    assert f"c.pt {f'is {kind}, not' if kind else 'cannot be read as'} a checkpoint" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol", "ignore:TypedStorage")
def test_damaged_bytes_are_refused_or_harmless(tmp_path):
    random, refused = np.random.default_rng(1), 0
    for write in (save_toy, in_legacy_format):
        content = bytearray(write(tmp_path / "c.pt").read_bytes())
        for _ in range(100):
            damaged = content.copy()
            for position in random.integers(0, 3000, 3):
                damaged[position] = random.integers(256)
            (tmp_path / "d.pt").write_bytes(damaged)
            try:
                Checkpoint.load(tmp_path / "d.pt")
            except PruneError:
                refused += 1
    assert 100 <= refused <= 200


@pytest.mark.parametrize(
    "state",
    [[], {}, 3, {"model": 3}, {"model": [1]}, {"model": {"a": 3}}, {"state_dict": toy_model()}, toy_model()],
    ids=["list", "empty", "number", "model number", "model list", "no tensors", "other key", "bare state dict"],
)
def test_torch_files_that_are_no_checkpoints_are_refused(tmp_path, state):
    torch.save(state, tmp_path / "c.pt")
    with pytest.raises(PruneError, match=r"c\.pt is not a fairseq checkpoint: it has no state dict under 'model'"):
        Checkpoint.load(tmp_path / "c.pt")


def test_a_model_that_is_no_transformer_is_refused_by_file(tmp_path):
    torch.save({"model": {"conv.weight": torch.ones(2, 2)}}, tmp_path / "c.pt")
    with pytest.raises(PruneError, match=r"c\.pt: the checkpoint holds no matrix of a fairseq Transformer"):
        _ = Checkpoint.load(tmp_path / "c.pt").matrices


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(PruneError, match=r"checkpoint .*c\.pt does not exist"):
        Checkpoint.load(tmp_path / "c.pt")
    with pytest.raises(PruneError, match="is a folder"):
        Checkpoint.load(tmp_path)


class Malicious:
    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call = call, arguments

    def __reduce__(self) -> tuple[Any, Any]:
        return self.call


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_no_code_of_a_checkpoint_is_run(tmp_path, form):
    path, trace = tmp_path / "c.pt", tmp_path / "trace"
    for attack in (Malicious(os.mkdir, str(trace)), Malicious(eval, f"__import__('os').mkdir({str(trace)!r})")):
        state = {**toy_state(), "cfg": attack}
        if form == "pickle":
            path.write_bytes(pickle.dumps(state))
        else:
            torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
        reason = "it is truncated or of another kind" if form == "pickle" else "it holds objects of type"
        with pytest.raises(PruneError, match=reason):
            Checkpoint.load(path)
        assert not trace.exists()
        torch.load(path, weights_only=False) if form != "pickle" else pickle.loads(path.read_bytes())
        trace.rmdir()  # the attack works where nothing guards against it


def test_what_fairseq_stores_is_read(tmp_path):
    """Configurations as Namespace or OmegaConf, NumPy scalars of its meters and data iterators."""
    scalars = {"loss": np.float64(2.5), "count": np.int64(3), "half": np.float16(0.5), "flag": np.bool_(True)}
    state = {
        **toy_state(),
        "args": argparse.Namespace(arch="transformer", lr=[0.1]),
        "cfg": OmegaConf.create({"model": {"_name": "transformer", "layers": [1, 2], "missing": None}}),
        "extra_state": {"meters": scalars, "array": np.arange(3), "epoch": 4},
    }
    for legacy in (False, True):
        torch.save(state, tmp_path / "c.pt", _use_new_zipfile_serialization=not legacy)
        loaded = Checkpoint.load(tmp_path / "c.pt").state
        assert loaded["args"].arch == "transformer"
        assert loaded["cfg"].model.layers == [1, 2]
        assert loaded["extra_state"]["meters"] == scalars
        assert loaded["extra_state"]["array"].tolist() == [0, 1, 2]


def test_saving_and_reading_again_keeps_every_bit(tmp_path):
    state = toy_state()
    save(state, tmp_path / "new" / "c.pt")
    loaded = Checkpoint.load(tmp_path / "new" / "c.pt")
    assert all(torch.equal(loaded.model[name], tensor) for name, tensor in state["model"].items())
    assert loaded.state["optimizer_history"] == state["optimizer_history"]


def test_equal_states_give_equal_bytes_in_every_process(tmp_path, monkeypatch):
    for process, path in enumerate((tmp_path / "a.pt", tmp_path / "longer.pt"), start=7):
        monkeypatch.setattr(os, "getpid", lambda process=process: process**9)
        save(toy_state(), path)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "longer.pt").read_bytes()


SAVE_WITH_LIMIT = """
import resource, sys
from nmt_prune.checkpoints import save
from nmt_prune.errors import PruneError
from tests.toy import toy_state
path, *limits = sys.argv[1:]
for limit in map(int, limits):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        save(toy_state(seed=1), path)
    except PruneError as error:
        assert "\\n" not in str(error), error
        print(error)
    else:
        print("saved", limit)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs a limit on file sizes")
def test_a_full_disk_is_one_line_and_leaves_the_old_checkpoint(tmp_path):
    path = save_toy(tmp_path / "c.pt")
    before = path.read_bytes()
    save(toy_state(seed=1), tmp_path / "size.pt")
    size = (tmp_path / "size.pt").stat().st_size
    (tmp_path / "size.pt").unlink()
    limits = [0, 1, 5000, size // 2, size - 9000, size - 100, size - 1]
    command = [sys.executable, "-c", SAVE_WITH_LIMIT, str(path), *map(str, limits)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == len(limits)
    assert set(lines) == {
        f"cannot write {path}: File too large; raise the limit of file sizes (ulimit -f) or choose another place"
    }
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(PruneError, match="is a folder; give the file of a checkpoint"):
        Checkpoint.load(tmp_path)
    (tmp_path / "checkpoint_best.pt").touch()
    with pytest.raises(PruneError, match=r"is a folder; did you mean .*/checkpoint_best\.pt\?"):
        Checkpoint.load(tmp_path)
