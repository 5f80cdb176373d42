"""Quantization-aware trainings, and the checkpoints that ``nmt-prune quantize`` makes of them."""

import re

import pytest
import torch
from fairseq.trainer import Trainer
from fairseq_cli import generate, validate

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.cli import app, main
from nmt_prune.pruning.quantization.quantized import Facts
from tests.devices import everywhere
from tests.tasks.fairseq_command import USER_DIR, run
from tests.tasks.test_data_parallel import train_on_two
from tests.tasks.training import EMBEDDING, FC1, assert_same, load

pytestmark = pytest.mark.slow

INT4 = "--quantizer uniform:weight_bits=4,activation_bits=4,activation_start=2"
TERNARY = "--quantizer ternary"
QUANTIZERS = {"int8": "--quantizer uniform", "int4": INT4, "ternary": TERNARY}


def quantize(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["nmt-prune", "quantize", *map(str, arguments)])
    app(standalone_mode=False)


def validation_loss(corpus, checkpoint):
    log = run(validate.cli_main, corpus, "--user-dir", USER_DIR, "--path", checkpoint, "--cpu", "--task",
              "translation_pruning", "--max-tokens", 200, "--log-format", "json")  # fmt: skip
    return next(float(found[1]) for _, text in log if (found := re.search(r'"valid_loss": "([\d.]+)"', text)))


def hypotheses(corpus, checkpoint, *flags):
    folder = checkpoint.parent / f"{checkpoint.stem}-text"
    run(
        generate.cli_main,
        corpus,
        "--path",
        checkpoint,
        "--cpu",
        "--beam",
        2,
        "--results-path",
        folder,
        "--required-batch-size-multiple",
        1,
        *flags,
    )
    return [line for line in (folder / "generate-test.txt").read_text().splitlines() if line.startswith("H-")]


@pytest.mark.parametrize("name", QUANTIZERS)
def test_the_quantized_checkpoint_is_the_model_that_was_validated(run_training, corpus, monkeypatch, name):
    training = run_training("qat", QUANTIZERS[name], "--sparsity 0.5 --prune-set body", without="--disable-validation")
    validated = training.progress("valid")[-1]["valid_loss"]
    last, out = training.folder / "checkpoint_last.pt", training.folder / "quantized.pt"
    assert abs(validation_loss(corpus, last) - validated) > 2e-3, "the trained weights are others"
    quantize(monkeypatch, last, "--out", out)
    assert validation_loss(corpus, out) == pytest.approx(validated, abs=1e-3)
    facts, quantized = Facts.of(load(out)["model"]), Checkpoint.load(out)
    assert quantized.masks == Checkpoint.load(last).masks
    for prunable, weight in quantized.matrices.items():
        if prunable.name in facts.bits:
            codes = weight / facts.scales[prunable.name].clamp(min=1e-12)
            assert torch.allclose(codes, codes.round(), atol=1e-3)
        assert not weight[~quantized.masks[prunable.name]].any()
    assert (EMBEDDING in facts.bits) == (name != "ternary")
    assert len(facts.ranges) == (17 if name != "ternary" else 0)  # 16 matrices of the body and the output projection


def test_it_translates_as_it_is_and_stripped(run_training, corpus, monkeypatch):
    training = run_training("qat", INT4, "--max-update 24")
    out, stock = training.folder / "quantized.pt", training.folder / "stock.pt"
    quantize(monkeypatch, training.folder / "checkpoint_last.pt", "--out", out)
    monkeypatch.setattr("sys.argv", ["nmt-prune", "strip", str(out), "--out", str(stock)])
    app(standalone_mode=False)
    translated = hypotheses(corpus, out, "--user-dir", USER_DIR)
    assert len(translated) == 6
    assert translated != hypotheses(corpus, stock), "whose activations are not quantized"
    assert torch.equal(load(stock)["model"][FC1], load(out)["model"][FC1])
    assert not any("version_1" in key for key in load(stock)["model"])


def test_calibration_of_a_dense_checkpoint(dense, corpus, monkeypatch, tmp_path):
    parent, out = dense.folder / "checkpoint_last.pt", tmp_path / "int8.pt"
    spec = ["--quantizer", "uniform", "--data", corpus, "--calibration-batches", 3]
    quantize(monkeypatch, parent, "--out", out, *spec)
    assert validation_loss(corpus, out) == pytest.approx(validation_loss(corpus, parent), abs=0.02)
    assert len(Facts.of(load(out)["model"]).ranges) == 17
    again = tmp_path / "again.pt"
    quantize(monkeypatch, parent, "--out", again, *spec)
    assert out.read_bytes() == again.read_bytes()


@pytest.mark.parametrize("flags", [INT4, f"{INT4} --update-freq 2 --schedule cubic:interval=2 --sparsity 0.5"])
def test_a_killed_training_goes_on_identically(run_training, monkeypatch, flags):
    class Killed(BaseException):
        pass

    def step(trainer, *arguments):
        if trainer.get_num_updates() == 8:
            raise Killed
        return train_step(trainer, *arguments)

    whole, train_step = run_training("whole", flags), Trainer.train_step
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", step)
        with pytest.raises(Killed):
            run_training("parts", flags, "--save-interval-updates 3")
    parts = run_training("parts", flags, "--save-interval-updates 3")
    assert_same(whole.state()["model"], parts.state()["model"])
    one, other = (training.state()["task_state"]["quantizer"] for training in (whole, parts))
    assert one["count"] == other["count"] == 12
    for kind in ("scales", "ranges"):
        assert_same(one[kind], other[kind])


def test_weight_penalty_clipping_in_one_training(run_training, monkeypatch):
    """Penalty until update 8, then the mask of the smallest blocks, then ternary weights; sparsity counts after it."""
    blocks = "--group block:rows=1,columns=4 --prune-set body --sparsity 0.5 --schedule oneshot:at=8"
    penalty = "--regulariser clipped-group-lasso:strength=0.1 --quantizer ternary:after_pruning=true"
    training = run_training("wpc", blocks, penalty)
    lines = training.progress()
    assert lines[-1]["sparsity_quantized"] >= lines[-1]["sparsity_body"] == pytest.approx(0.5, abs=1e-3)
    out = training.folder / "ternary.pt"
    quantize(monkeypatch, training.folder / "checkpoint_last.pt", "--out", out)
    alive = Checkpoint.load(out).model[FC1].view(20, 4, 4).any(dim=2)
    assert (~alive).sum() >= 40
    assert len(Checkpoint.load(out).model[FC1][0].abs().unique()) <= 2


def test_workers_observe_the_same(corpus, tmp_path):
    first, second = train_on_two(corpus, tmp_path, INT4, "--max-update 5")
    assert_same(first["model"], second["model"])
    ranges = load(tmp_path / "run" / "checkpoint_last.pt")["task_state"]["quantizer"]["ranges"]
    assert {int(row[2]) for row in ranges.values()} == {5}


@everywhere
@pytest.mark.parametrize("name", QUANTIZERS)
def test_half_precision(run_training, name, monkeypatch, device):
    if device != "cuda":
        monkeypatch.setattr(torch.cuda, "current_device", lambda: None)
    half = "--fp16 --fp16-no-flatten-grads --fp16-init-scale 4"
    training = run_training("half", QUANTIZERS[name], half, "--max-update 24")
    losses = [line["loss"] for line in training.progress()]
    assert losses[-1] < losses[0]
    assert training.weights()[FC1].unique().numel() > 20, "saved are the trained weights"


def test_a_quantized_checkpoint_can_be_trained_on(run_training, monkeypatch):
    training = run_training("qat", INT4)
    out = training.folder / "quantized.pt"
    quantize(monkeypatch, training.folder / "checkpoint_last.pt", "--out", out)
    more = run_training("more", "--finetune-from-model", out)
    assert not any("quantization_version_1" in key for key in more.state()["model"])
    ticket = run_training("ticket", "--mask-from", out, "--sparsity 0.5")
    assert not any("quantization_version_1" in key for key in ticket.state()["model"])


def test_scales_that_a_shrunk_model_has_lost_are_said(run_training, monkeypatch, capsys):
    training = run_training("qat", "--quantizer uniform:weight_bits=8,activation_bits=32")
    shrunk = training.folder / "shrunk.pt"
    monkeypatch.setattr(
        "sys.argv", ["nmt-prune", "shrink", str(training.folder / "checkpoint_last.pt"), "--out", str(shrunk)]
    )
    app(standalone_mode=False)
    capsys.readouterr()
    quantize(monkeypatch, shrunk, "--out", training.folder / "quantized.pt")
    assert "has lost the scales that its training with uniform:weight_bits=8" in capsys.readouterr().err


def test_another_training_measures_its_own_scales(run_training):
    """Those of eight bits are sixteen times too small for four."""
    eight = run_training("eight", "--quantizer uniform:weight_bits=8,activation_bits=8")
    counted = eight.state()["task_state"]["quantizer"]["count"]
    assert counted == 12
    for flag in ("--finetune-from-model", "--restore-file"):
        four = run_training(f"four{flag}", flag, eight.folder / "checkpoint_last.pt", INT4, "--max-update 24")
        updates = 12 if flag == "--restore-file" else 24  # it goes on at update 12
        state = four.state()["task_state"]["quantizer"]
        assert state["count"] == updates
    same = run_training("eight", "--quantizer uniform:weight_bits=8,activation_bits=8 --max-update 16")
    assert same.state()["task_state"]["quantizer"]["count"] == 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--quantizer", "uniform:weight_bits=3"], "weight_bits=3 is not supported; choose 4, 8"),
        (["--quantizer", "uniform"], "ranges of activations are measured on training data: give --data"),
        (["--quantizer", "uniform", "--calibration-batches", "0", "--data", "CORPUS"], "the calibration set is empty"),
        ([], "say with --quantizer how"),
        (
            ["--quantizer", "ternary", "--calibration-batches", "64"],
            "--calibration-batches does nothing without",
        ),
        (["--quantizer", "ternary", "--seed", "9"], "--seed does nothing without --data, which ranges"),
    ],
)
def test_mistakes(dense, corpus, tmp_path, monkeypatch, capsys, arguments, message):
    words = [str(corpus) if word == "CORPUS" else word for word in arguments]
    command = ["nmt-prune", "quantize", str(dense.folder / "checkpoint_last.pt"), "--out", str(tmp_path / "q.pt")]
    monkeypatch.setattr("sys.argv", [*command, *words])
    with pytest.raises(SystemExit):
        main()
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("nmt-prune: error: ")
    assert message in last
    assert not (tmp_path / "q.pt").exists()


def test_three_bits_end_a_training_before_it_begins(run_training):
    with pytest.raises(SystemExit, match=r"^nmt-prune: error: quantizer: weight_bits=3 is not supported; choose 4, 8$"):
        run_training("refused", "--quantizer uniform:weight_bits=3")
