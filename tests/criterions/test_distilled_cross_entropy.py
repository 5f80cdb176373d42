"""Students of real trainings: with every precision and kind of mask, and going on."""

import shutil
import warnings

import pytest
import torch
from fairseq_cli import hydra_train, validate
from hydra.core.global_hydra import GlobalHydra

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


def test_bf16_through_hydra(corpus, dense, tmp_path):
    """fairseq-train takes ``--bf16`` for a TPU; ``fairseq-hydra-train`` trains in it on a CPU."""
    settings = [
        f"common.user_dir={USER_DIR}", "common.cpu=true", "common.bf16=true", "common.log_format=json",
        "common.log_interval=1", "++task._name=translation_pruning", f"++task.data={corpus}", "++task.source_lang=en",
        "++task.target_lang=de", "++task.sparsity=0.5", "++task.schedule='cubic:interval=2,end=8'",
        "++model._name=masked_transformer_tiny", "++model.encoder_embed_dim=16", "++model.encoder_ffn_embed_dim=20",
        "++model.encoder_layers=1", "++model.decoder_layers=1", "++model.share_all_embeddings=true",
        "criterion=distilled_cross_entropy", f"criterion.teacher={dense.folder}/checkpoint_last.pt",
        "criterion.teacher_word=0.5", "criterion.teacher_hidden=1", "criterion.label_smoothing=0.1", "optimizer=adam",
        "lr_scheduler=inverse_sqrt", "++lr_scheduler.warmup_updates=4", "optimization.lr=[0.01]",
        "optimization.clip_norm=1", "optimization.max_update=12", "dataset.max_tokens=200", "dataset.num_workers=0",
        "dataset.disable_validation=true", "dataset.data_buffer_size=0",
        "distributed_training.distributed_world_size=1", "checkpoint.no_epoch_checkpoints=true",
        f"checkpoint.save_dir={tmp_path}/hydra", f"hydra.run.dir={tmp_path}/h",
        "hydra/job_logging=none", "hydra/hydra_logging=none",  # logging here is the tests'
    ]  # fmt: skip
    GlobalHydra.instance().clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Hydra, about how fairseq calls it
        student = Training(tmp_path / "hydra", run(hydra_train.cli_main, *settings))
    lines = student.progress()
    assert len(lines) == 12
    assert lines[-1]["kd_loss"] < lines[0]["kd_loss"]
    assert lines[-1]["hidden_loss"] < lines[0]["hidden_loss"]
    masks, weights = student.masks(), student.weights()
    assert len(masks) == 17
    assert not any(weights[name][~mask].any() for name, mask in masks.items())
    assert student.state()["optimizer_history"][-1]["criterion_name"] == "DistilledCrossEntropyCriterion"
    assert all(torch.equal(weight, weight.bfloat16().float()) for weight in weights.values())


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
