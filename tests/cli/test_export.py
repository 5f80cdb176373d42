"""``nmt-prune export`` as a user calls it."""

from pathlib import Path

import ctranslate2
import pytest
import torch

from nmt_prune.checkpoints import Checkpoint
from tests.cli.test_shrink import DECODER, ENCODER, save
from tests.toy import DIMENSION, VOCABULARY

WORDS = [f"w{number}" for number in range(VOCABULARY - 4)]


@pytest.fixture
def data(tmp_path) -> Path:
    """A data folder with dictionaries and no subword model."""
    folder = tmp_path / "data"
    folder.mkdir()
    for language in ("en", "de"):
        (folder / f"dict.{language}.txt").write_text("".join(f"{word} 1\n" for word in WORDS))
        (folder / f"train.en-de.{language}.idx").touch()
    return folder


@pytest.fixture
def half_dead(tmp_path) -> Path:
    """The first of the encoder's two heads has no values."""
    path = save(tmp_path / "half.pt", {f"{ENCODER}.self_attn.v_proj": slice(4)})
    state = torch.load(path, weights_only=True)
    for layer in (ENCODER, DECODER):
        state["model"][f"{layer}.final_layer_norm.weight"] = torch.ones(DIMENSION)
        state["model"][f"{layer}.final_layer_norm.bias"] = torch.zeros(DIMENSION)
    torch.save(state, path)
    return path


def translate(folder: str) -> list[str]:
    translator = ctranslate2.Translator(folder, compute_type="float32", intra_threads=1)
    return translator.translate_batch([WORDS[:3]], max_decoding_length=5)[0].hypotheses[0]


def test_a_checkpoint_for_ctranslate2(run, half_dead, data):
    flags = ["--data", data, "--quantization", "float32"]
    status, out, _ = run("export", "ctranslate2", half_dead, "--out", "ct2", *flags)
    assert (status, out.startswith("ct2: 0.0"), "weights in float32" in out) == (0, True, True)
    size = sum(path.stat().st_size for path in Path("ct2").iterdir())
    assert f"{size / 1e6:.2f} MB" in out
    assert translate("ct2")
    run("shrink", half_dead, "--out", "small.pt")
    run("export", "ctranslate2", "small.pt", "--out", "small", *flags)
    assert Path("ct2/model.bin").read_bytes() == Path("small/model.bin").read_bytes()


def test_a_compact_file_for_ctranslate2(run, half_dead, data):
    run("shrink", half_dead, "--out", "small.pt")
    assert run("pack", "small.pt", "--data", data, "--out", "small.nmt")[0] == 0
    assert run("export", "ctranslate2", "small.nmt", "--out", "packed")[0] == 0
    assert run("export", "ctranslate2", "small.pt", "--data", data, "--out", "plain")[0] == 0
    assert Path("packed/model.bin").read_bytes() == Path("plain/model.bin").read_bytes()


def test_a_refusal_is_one_line(run, half_dead, data):
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("precious")
    status, _, error = run("export", "ctranslate2", half_dead, "--out", "mine", "--data", data)
    assert (status, error.count("\n")) == (1, 1)
    assert "mine exists and is not an export for CTranslate2; choose another --out or remove it" in error
    status, _, error = run("export", "ctranslate2", half_dead, "--out", "ct2")
    assert (status, error.count("\n"), "--data" in error) == (1, 1, True)


def test_a_checkpoint_for_stock_fairseq(run, half_dead):
    """Another name for ``nmt-prune strip``."""
    status, out, _ = run("export", "fairseq", half_dead, "--out", "stock.pt")
    assert (status, "stock.pt: stock transformer" in out) == (0, True)
    run("strip", half_dead, "--out", "stripped.pt")
    one, other = (Checkpoint.load(name).state for name in ("stock.pt", "stripped.pt"))
    assert one["cfg"] == other["cfg"]
    assert all(torch.equal(one["model"][name], tensor) for name, tensor in other["model"].items())


def test_what_marian_would_compute_otherwise_is_refused(run, half_dead, data):
    status, out, err = run("export", "marian", half_dead, "--data", data, "--out", "marian")
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert "Marian" in err
    assert not Path("marian").exists()
