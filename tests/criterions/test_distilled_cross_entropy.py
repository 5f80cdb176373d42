"""Students of real trainings: with every precision and kind of mask, and going on."""

import shutil

import pytest
import torch
from fairseq_cli import validate

from nmt_prune.criterions import teachers
from tests.tasks.fairseq_command import USER_DIR, run
from tests.tasks.training import STOCK, Training, assert_same

pytestmark = pytest.mark.slow

DISTILLED = "--criterion distilled_cross_entropy"
HIDDEN = "--teacher-hidden 1"


@pytest.fixture
def taught(dense) -> tuple[object, ...]:
    """Flags of a training that the dense one teaches."""
    return DISTILLED, "--teacher", dense.folder / "checkpoint_last.pt"


def parts(line: dict[str, float]) -> float:
    """The loss in bits that the flags of :func:`taught` stand for, of the parts that are logged."""
    return 0.5 * line["nll_loss"] + 0.5 * line["kd_loss"]


def test_weight_zero_is_fairseqs_own_bit_by_bit(run_training, dense, taught):
    assert_same(run_training("student", *taught, "--teacher-word 0").weights(), dense.weights())
    assert_same(run_training("alone", DISTILLED, "--teacher-word 0").weights(), dense.weights())


def test_both_parts_are_in_the_loss_and_fall(run_training, taught):
    training = run_training("student", *taught, "--label-smoothing 0", "--max-update 20")
    first, last = training.progress()[0], training.progress()[-1]
    for line in (first, last):
        assert line["loss"] == pytest.approx(parts(line), abs=2e-3)
    assert last["kd_loss"] < first["kd_loss"] / 2


def test_a_student_that_is_its_teacher_has_nothing_to_learn(run_training, dense, taught):
    flags = ("--dropout 0 --restore-file", taught[2], "--reset-optimizer")
    line = run_training("student", *taught, HIDDEN, *flags).progress()[0]
    assert (line["kd_loss"], line["hidden_loss"]) == (0, 0)


def test_hidden_states_are_learned(run_training, taught):
    first, *_, last = run_training("student", *taught, HIDDEN, "--max-update 20").progress()
    assert last["hidden_loss"] < first["hidden_loss"] / 2


TRAININGS = {
    "stock": STOCK,
    "deeper and wider": "--encoder-layers 2 --encoder-embed-dim 32 --decoder-embed-dim 32 --decoder-output-dim 32",
    "growing mask": f"{HIDDEN} --sparsity 0.5 --schedule cubic:interval=2",
    "learned mask": "--saliency movement --sparsity 0.5 --schedule cubic:interval=2",
    "quantized": f"{HIDDEN} --quantizer uniform",
    "fp16": f"{HIDDEN} --fp16 --fp16-no-flatten-grads --fp16-init-scale 4",
    "memory-efficient fp16": "--memory-efficient-fp16 --fp16-init-scale 4",
    "amp": f"{HIDDEN} --amp",
    "accumulated, per sentence": "--update-freq 2 --sentence-avg --report-accuracy",
}


@pytest.mark.parametrize("flags", TRAININGS.values(), ids=TRAININGS)
def test_every_way_of_training(run_training, taught, monkeypatch, flags):
    loaded, load = [], teachers.load_teachers
    monkeypatch.setattr(
        "nmt_prune.criterions.distilled_cross_entropy.load_teachers",
        lambda *given, **named: loaded.append(load(*given, **named)) or loaded[-1],
    )
    training = run_training("student", *taught, flags)
    assert training.progress()[-1]["kd_loss"] < training.progress()[0]["kd_loss"]
    ((teacher,),) = loaded
    assert not teacher.training
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in teacher.parameters())
    assert next(teacher.parameters()).dtype == (torch.float16 if "fp16" in flags else torch.float32)
    assert training.state()["criterion"] is None


def test_a_ticket_of_an_undistilled_parent_goes_on_with_its_optimizer(run_training, taught):
    flags = ("--mask-from", taught[2], "--sparsity 0.5 --clock keep --max-update 15")
    assert [line["num_updates"] for line in run_training("student", *taught, *flags).progress()] == [13, 14, 15]


def test_several_teachers_are_averaged(run_training, dense, taught, tmp_path):
    twice = run_training("twice", DISTILLED, "--teacher", f"{taught[2]}:{taught[2]}")
    assert twice.progress()[-1]["kd_loss"] == run_training("once", *taught).progress()[-1]["kd_loss"]
    other = run_training("both", DISTILLED, "--teacher", f"{taught[2]}:{dense.folder / 'rewind_0.pt'}")
    assert other.progress()[-1]["kd_loss"] != twice.progress()[-1]["kd_loss"]


@pytest.mark.parametrize("task", ["", STOCK], ids=["pruning", "stock"])
def test_a_resumed_training_is_the_same_and_has_the_same_teacher(run_training, taught, tmp_path, task):
    flags = (task, "--dropout 0.1 --save-interval-updates 6")
    whole = run_training("student", *taught, *flags).weights()
    folder = tmp_path / "student"
    folder.joinpath("checkpoint_1_6.pt").replace(folder / "checkpoint_last.pt")
    other = run_training("other", "--max-update 3").folder / "checkpoint_last.pt"
    with pytest.raises(
        SystemExit, match=r"began with --teacher checkpoint_last.pt \(SHA-256 \w+\), not --teacher check"
    ):
        run_training("student", DISTILLED, "--teacher", other, *flags)
    with pytest.raises(SystemExit, match=r"began with --teacher-temperature 2(\.0)?, not --teacher-temperature 1"):
        run_training("student", *taught, *flags, "--teacher-temperature 1")
    assert_same(run_training("student", *taught, *flags).weights(), whole)


def test_a_training_that_has_begun_gets_no_teacher_and_loses_none(run_training, taught):
    run_training("plain", "--max-update 6")
    with pytest.raises(SystemExit, match=r"began with no --teacher, not --teacher checkpoint_last.pt"):
        run_training("plain", *taught)
    run_training("student", *taught, "--max-update 6")
    with pytest.raises(SystemExit, match=r"began with --teacher checkpoint_last.pt .*, not no --teacher"):
        run_training("student")


def test_validation_asks_no_teacher(run_training, corpus, taught, tmp_path):
    """Its loss is the one of undistilled trainings, also where the teacher is gone."""
    gone = tmp_path / "gone.pt"
    shutil.copy(taught[2], gone)
    student = run_training("student", DISTILLED, "--teacher", gone, "--label-smoothing 0 --validate-interval-updates 6")
    gone.unlink()
    files = [corpus, "--user-dir", USER_DIR, "--path", student.folder / "checkpoint_last.pt"]
    log = run(validate.cli_main, *files, "--max-tokens", 200, "--cpu", "--task", "translation_pruning")
    assert not Training(student.folder, log).said("kd_loss")
