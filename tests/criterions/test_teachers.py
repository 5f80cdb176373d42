"""Who cannot teach: one line each, before anything is written."""

import re
import shutil
from pathlib import Path

import pytest
import torch

import nmt_prune.criterions
from nmt_prune.checkpoints.own_dictionaries import KEY
from nmt_prune.criterions.teachers import teaching
from tests.tasks.test_data_parallel import train_on_two
from tests.tasks.training import STOCK, assert_same

pytestmark = pytest.mark.slow

DISTILLED = "--criterion distilled_cross_entropy --teacher"


def reversed_pair(state: dict) -> None:
    state["cfg"]["task"] |= {"source_lang": "de", "target_lang": "en"}


def other_words(state: dict) -> None:
    state["task_state"][KEY]["target"] = "0" * 64


def language_model(state: dict) -> None:
    state["model"] = {key: value for key, value in state["model"].items() if key.startswith("decoder.")}


def damaged(state: dict) -> None:
    del state["model"]["decoder.layers.0.fc1.bias"]


def fewer_positions(state: dict) -> None:
    state["cfg"]["model"].max_source_positions = 16


REFUSED = {
    "another pair": (reversed_pair, r"--teacher .*t\.pt translates de-en, not en-de; give one of the same languages"),
    "other words": (other_words, r"its target dictionary is not the one that .*t\.pt was trained with"),
    "language model": (language_model, r"--teacher .*t\.pt: a teacher is an encoder and decoder that translates"),
    "damaged": (damaged, r"--teacher .*t\.pt cannot be loaded: .*"),
    "fewer positions": (fewer_positions, r"t\.pt has 16 positions, .* 1024 tokens; give --max-source-positions 16"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("task", ["", STOCK], ids=["pruning", "stock"])
def test_who_cannot_teach(run_training, dense, tmp_path, name, task):
    change, message = REFUSED[name]
    state = dense.state()
    change(state)
    torch.save(state, tmp_path / "t.pt")
    with pytest.raises(SystemExit, match=message) as stop:
        run_training("student", DISTILLED, tmp_path / "t.pt", task)
    assert "\n" not in str(stop.value)
    assert not list((tmp_path / "student").glob("*.pt"))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (f"{DISTILLED} gone/dense.pt", "--teacher gone/dense.pt does not exist"),
        (f"{DISTILLED} .", r"\. is a folder; give the file of a checkpoint"),
        ("--criterion distilled_cross_entropy", "needs --teacher CHECKPOINT"),
        (f"{DISTILLED} x --teacher-word 2", "--teacher-word 2: give a share from 0 to 1"),
        (f"{DISTILLED} x --teacher-temperature 0", "--teacher-temperature 0: give a number above 0"),
        (f"{DISTILLED} x --teacher-hidden nan", "--teacher-hidden nan: give a weight of at least 0"),
    ],
)
def test_flags_that_make_no_sense(run_training, flags, message):
    with pytest.raises(SystemExit, match=message):
        run_training("student", flags)


def test_a_ticket_is_not_bound_to_a_teacher_that_was_refused(run_training, dense, tmp_path):
    """Of unequal shape, which is found before the ticket is written: the corrected command begins."""
    parent = dense.folder / "checkpoint_last.pt"
    deeper = run_training("deeper", "--encoder-layers 2 --max-update 2").folder / "checkpoint_last.pt"
    flags = (DISTILLED, deeper, "--mask-from", parent, "--sparsity 0.5")
    with pytest.raises(SystemExit, match=r"it has 2 encoder layers of width 16 and .* the student 1 encoder layers"):
        run_training("student", *flags, "--teacher-hidden 1")
    run_training("student", *flags)


def test_old_teachers_without_dictionaries_teach_with_a_warning(run_training, dense, tmp_path):
    state = dense.state()
    del state["task_state"][KEY]
    state["cfg"]["task"]["data"] = "gone"
    torch.save(state, tmp_path / "t.pt")
    training = run_training("student", DISTILLED, tmp_path / "t.pt", "--max-update 1")
    assert training.said("cannot be checked: the data folder of its training is gone")


def test_two_processes_learn_the_same(corpus, dense, tmp_path):
    flags = (DISTILLED, dense.folder / "checkpoint_last.pt", "--teacher-hidden 1 --sparsity 0.5 --max-update 4")
    first, second = train_on_two(corpus, tmp_path, *flags)
    assert_same(first["model"], second["model"])


def test_what_is_recorded_tells_files_apart_and_not_folders(dense, tmp_path):
    last, point = (dense.folder / f"{name}.pt" for name in ("checkpoint_last", "rewind_0"))
    copied = shutil.copy(last, tmp_path)
    weights = {"teacher_word": 0.5, "teacher_temperature": 2.0, "teacher_hidden": 0.0}
    assert teaching({"teacher": str(last), **weights}) == teaching({"teacher": str(copied), **weights})
    both = teaching({"teacher": f"{last}:{point}", **weights})
    assert both != teaching({"teacher": f"{point}:{last}", **weights})
    assert both["teacher"]["name"] == "checkpoint_last.pt:rewind_0.pt"
    untaught = teaching({"teacher": str(last), **weights, "teacher_word": 0.0})
    assert untaught == teaching(None) == dict.fromkeys(both)


def test_the_example_of_the_readme(run_training, dense):
    text = (Path(nmt_prune.criterions.__file__).parent / "README.md").read_text(encoding="utf-8")
    example = re.search(r"--mask-from dense\.pt.*?(?=\n```)", text, re.DOTALL)
    assert example is not None
    words = example[0].replace("\\\n", " ").replace("dense.pt", str(dense.folder / "checkpoint_last.pt"))
    last = run_training("student", words).progress()[-1]
    assert last["sparsity"] == pytest.approx(0.9, abs=1e-3)
    assert last["hidden_loss"] > 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--encoder-layerdrop 0.1 --teacher-hidden 1", "a student whose layers all run: leave out --encoder-layerdrop"),
        ("--adaptive-softmax-cutoff 8,16", "the student has an adaptive softmax, which gives no probabilities"),
    ],
)
def test_a_student_without_all_states_or_words(run_training, dense, tmp_path, flags, message):
    with pytest.raises(SystemExit, match=message):
        run_training("student", f"{DISTILLED} {dense.folder / 'checkpoint_last.pt'}", flags)
    assert not list((tmp_path / "student").glob("*"))
