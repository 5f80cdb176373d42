"""A killed training goes on where it was: same masks, same weights, nothing pruned or reset a second time."""

import shutil
from pathlib import Path

import pytest
import torch
from fairseq.trainer import Trainer

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.evaluation.scoring import trained_updates
from nmt_prune.masks.mask_file import save_masks
from tests.devices import everywhere
from tests.tasks.training import Training, assert_same

pytestmark = pytest.mark.slow


class Killed(BaseException):
    pass


@pytest.fixture
def run_and_kill(run_training, monkeypatch):
    """Runs a training that saves every 3 updates and is killed in the middle of an update."""

    def run(name: str, *flags: object, at: int) -> None:
        def step(trainer: Trainer, *arguments: object) -> object:
            if trainer.get_num_updates() == at:
                raise Killed
            return train_step(trainer, *arguments)

        train_step = Trainer.train_step
        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "train_step", step)
            with pytest.raises(Killed):
                run_training(name, *flags, "--save-interval-updates 3")

    return run


def assert_equal_ends(one: Training, other: Training) -> None:
    assert_same(one.state()["model"], other.state()["model"])
    assert one.masks()
    states = (training.state()["last_optimizer_state"]["state"] for training in (one, other))
    for mine, theirs in zip(*(state.values() for state in states), strict=True):
        for moment in ("exp_avg", "exp_avg_sq"):
            assert torch.equal(mine[moment], theirs[moment])


@everywhere
@pytest.mark.parametrize("flags", ["--schedule cubic:interval=2", "--schedule cubic:interval=2 --update-freq 2"])
def test_magnitude_pruning_killed_in_the_middle(run_training, run_and_kill, flags):
    run_and_kill("killed", flags, "--sparsity 0.9", at=8)
    resumed = run_training("killed", flags, "--sparsity 0.9 --save-interval-updates 3")
    assert [line["num_updates"] for line in resumed.progress()] == [*range(7, 13)]
    assert resumed.said("nothing is pruned or reset again")
    assert_equal_ends(resumed, run_training("whole", flags, "--sparsity 0.9"))


TICKETS = {
    "slt": "--sparsity 0.5 --reset rewind",
    "slt-mp": "--sparsity 0.8 --reset rewind --schedule cubic:interval=2",
    "random signs": "--sparsity 0.5 --reset random-sign",
}


@pytest.mark.parametrize("technique", TICKETS)
@pytest.mark.parametrize("at", [1, 8], ids=["before the first checkpoint", "later"])
def test_a_ticket_goes_on_without_its_parents(run_training, run_and_kill, dense, tmp_path, technique, at):
    parent = tmp_path / "parent"
    shutil.copytree(dense.folder, parent)
    first = run_training("slt-60", "--mask-from", parent / "checkpoint_last.pt", "--sparsity 0.4")
    files = ("--mask-from", first.folder / "checkpoint_last.pt", "--rewind-from", parent / "rewind_4.pt")
    flags = (*files, TICKETS[technique])
    whole = run_training("whole", *flags)
    run_and_kill("killed", *flags, at=at)
    shutil.rmtree(parent)
    shutil.rmtree(first.folder)
    resumed = run_training("killed", *flags, "--save-interval-updates 3")
    assert_equal_ends(resumed, whole)


@pytest.mark.parametrize(("source", "at"), [("ticket", 1), ("ticket", 8), ("fresh", 8)])
def test_what_was_reset_at_the_start_is_not_reset_again(run_training, run_and_kill, dense, source, at):
    parent = ("--mask-from", dense.folder / "checkpoint_last.pt") if source == "ticket" else ()
    flags = (*parent, "--sparsity 0.8 --schedule cubic:interval=2 --reset-optimizer --reset-dataloader")
    whole = run_training("whole", *flags)
    for update in (at, at + 2):  # the checkpoint of a training that went on is one to go on from, too
        run_and_kill("killed", *flags, "--reset-lr-scheduler --reset-meters", at=update)
    resumed = run_training("killed", *flags, "--reset-lr-scheduler --reset-meters")
    assert resumed.progress()[-1]["num_updates"] == 12
    assert_equal_ends(resumed, whole)


def test_nothing_goes_on_without_its_optimizer(run_training, run_and_kill, tmp_path):
    flags = "--sparsity 0.8 --schedule cubic:interval=2 --rewind-points 0 --no-save-optimizer-state"
    run_and_kill("killed", flags, at=2)
    run_and_kill("killed", flags, at=8)
    files = {path.name: path.read_bytes() for path in (tmp_path / "killed").iterdir()}
    with pytest.raises(SystemExit, match=r"saved at update 6 without an optimizer state .*; remove it to train anew"):
        run_training("killed", flags)
    assert {path.name: path.read_bytes() for path in (tmp_path / "killed").iterdir()} == files
    last = (tmp_path / "killed" / "checkpoint_last.pt").rename(tmp_path / "last.pt")
    tuned = run_training("tuned", "--finetune-from-model", last)
    assert (
        tuned.progress()[-1]["num_updates"]
        == trained_updates(Checkpoint.load(tuned.folder / "checkpoint_last.pt"))
        == 12
    )
    again = run_training("killed", flags)
    assert_same(again.state()["model"], run_training("whole", flags).state()["model"])


def test_a_reset_that_the_start_did_not_have(run_training, dense):
    ticket = ("--mask-from", dense.folder / "checkpoint_last.pt", "--sparsity 0.8")
    run_training("run", *ticket, "--max-update 6")
    with pytest.raises(SystemExit, match="holds a training of 6 updates, which --reset-optimizer would count from 0"):
        run_training("run", *ticket, "--reset-optimizer")


def test_a_growing_mask_from_a_mask_file_goes_on(run_training, run_and_kill, dense, tmp_path):
    """The schedule of the resumed training begins at the file's sparsity too."""
    slt = run_training("slt", "--mask-from", dense.folder / "checkpoint_last.pt", "--sparsity 0.6")
    save_masks(Checkpoint.load(slt.folder / "checkpoint_last.pt").masks, tmp_path / "m.safetensors", {})
    flags = ("--mask-from", tmp_path / "m.safetensors", "--sparsity 0.9 --schedule cubic:interval=2")
    whole = run_training("whole", *flags)
    run_and_kill("killed", *flags, at=8)
    assert_equal_ends(run_training("killed", *flags), whole)


def test_old_facts_do_not_reach_a_new_training_in_the_same_folder(run_training, dense, run_and_kill, tmp_path):
    slt = run_training("slt", "--mask-from", dense.folder / "checkpoint_last.pt", "--sparsity 0.5")
    run_training("folder", "--mask-from", slt.folder / "checkpoint_last.pt", "--sparsity 0.6")
    for checkpoint in Path(tmp_path / "folder").glob("*.pt"):
        checkpoint.unlink()
    flags = "--sparsity 0.9 --schedule cubic:interval=2"
    run_and_kill("folder", flags, at=4)
    assert_equal_ends(run_training("folder", flags), run_training("whole", flags))


def test_a_finished_training_starts_nothing_anew(run_training, dense):
    flags = ("--mask-from", dense.folder / "checkpoint_last.pt", "--sparsity 0.5")
    finished = run_training("ticket", *flags)
    last = finished.folder / "checkpoint_last.pt"
    before = last.read_bytes()
    # As after a kill between the last save and whatever notes that the training is done: fairseq alone does update 13.
    assert run_training("ticket", *flags).progress() == []
    assert last.read_bytes() == before
    more = run_training("ticket", *flags, "--max-update 14")
    assert_same(more.masks(), finished.masks())
    assert [line["num_updates"] for line in more.progress()] == [13, 14]


@pytest.mark.parametrize("flags", ["--reset-optimizer", "--reset-optimizer --restore-file {last}"])
def test_a_training_is_not_begun_anew_over_its_own_rewind_points(run_training, flags):
    begun = run_training("run", "--rewind-points 0 --max-update 4")
    before = {path.name: path.read_bytes() for path in begun.folder.iterdir()}
    words = flags.format(last=begun.folder / "checkpoint_last.pt")
    with pytest.raises(SystemExit, match="holds a training of 4 updates, which --reset-optimizer would count from 0"):
        run_training("run", "--rewind-points 0", words)
    assert {path.name: path.read_bytes() for path in begun.folder.iterdir()} == before
    assert run_training("run", "--rewind-points 0").state()["optimizer_history"][-1]["num_updates"] == 12
