import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.experiments.execution.runner import run_plan
from nmt_prune.experiments.planning.plan import Plan
from nmt_prune.experiments.planning.run_folder import RunFolder, check_all, check_trained


@pytest.fixture
def made(laboratory):
    """A plan whose folders hold their run.json and something that came of the run."""
    plan = laboratory.plan()
    for run in plan.runs:
        plan.folder(run).describe(run, plan.places)
        (plan.folder(run).path / "checkpoint_best.pt").touch()
    return plan


def checkpoint(folder, updates):
    state = {"model": {"weight": torch.zeros(1)}, "optimizer_history": [{"num_updates": updates}]}
    torch.save(state, folder / "checkpoint_last.pt")


@pytest.mark.parametrize("updates", [None, 0])
def test_a_run_without_an_update_binds_nothing(laboratory, updates):
    """It failed in the flags, or between its ticket and the first update."""
    plan = laboratory.plan(training={"max_update": 20, "learning-rate": 0.005})
    folder = plan.folder(plan.runs[0])
    folder.describe(plan.runs[0], plan.places)
    folder.log.write_text("fairseq-train: error: unrecognized arguments: --learning-rate 0.005\n")
    if updates is not None:
        checkpoint(folder.path, updates)
        (folder.path / "pruning.json").write_text("{}")
    corrected = laboratory.plan(training={"max_update": 20, "lr": 0.005})
    check_all(corrected.runs, corrected.places)
    folder.describe(corrected.runs[0], corrected.places)
    assert json.loads((folder.path / "run.json").read_text())["settings"]["training"]["lr"] == 0.005
    assert not list(folder.path.glob("*.pt"))
    assert not (folder.path / "pruning.json").exists()
    assert folder.log.exists()


def test_a_run_with_an_update_binds(laboratory):
    plan = laboratory.plan()
    plan.folder(plan.runs[0]).describe(plan.runs[0], plan.places)
    checkpoint(plan.folder(plan.runs[0]).path, 1)
    with pytest.raises(PruneError, match=r"was made with training\.lr unset, not 0\.005"):
        check_all(laboratory.plan(training={"max_update": 20, "lr": 0.005}).runs, plan.places)


def test_equal_settings_pass(laboratory, made):
    check_all(laboratory.plan().runs, made.places)
    check_all(laboratory.plan(techniques=["slt"]).runs, made.places)


@pytest.mark.parametrize(
    ("changes", "run", "difference"),
    [
        ({"training": {"max_update": 30}}, "dense-seed1", "training.max_update 20, not 30"),
        ({"training": {"max_update": 20, "lr": 0.1}}, "dense-seed1", "training.lr unset, not 0.1"),
        ({"model": {"arch": "other"}}, "dense-seed1", "model.arch masked_transformer_tiny, not other"),
        ({"corpus": {"name": "numbers", "size": 9}}, "dense-seed1", "corpus.size unset, not 9"),
        ({"generation": {"beam": 1}}, "dense-seed1", "generation.beam 5, not 1"),
        ({"budget": "global"}, "mp-50-seed1", "pruning.budget matrix, not global"),
        ({"ladder": [50, 70, 80]}, "slt-80-seed1", "parent slt-50-seed1, not slt-70-seed1"),
        ({"rewind": 2}, "dense-seed1", "pruning.rewind_points 0,1, not 0,2"),
    ],
)
def test_changed_settings_are_named_and_nothing_is_touched(laboratory, made, changes, run, difference):
    before = {path: path.read_bytes() for path in laboratory.runs.rglob("*.json")}
    with pytest.raises(PruneError) as caught:
        run_plan(laboratory.plan(**changes), cores=1)
    assert str(caught.value).startswith(f"run {run} was made with {difference}; ")
    assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in laboratory.runs.rglob("*.json")} == before
    assert laboratory.trained() == []


def test_other_data_of_the_same_name_is_refused(laboratory, tmp_path):
    """``--data A/bin`` and later ``--data B/bin``, or a folder that was binarized anew."""
    plan = laboratory.plan()
    plan.places.data.mkdir()
    train = plan.places.data / "train.en-de.en.bin"
    train.write_bytes(b"one")
    one = plan.folder(plan.runs[0])
    one.describe(plan.runs[0], plan.places)
    train.write_bytes(b"other")
    check_all(plan.runs, plan.places)  # nothing has come of it so far
    one.describe(plan.runs[0], plan.places)
    checkpoint(one.path, 1)
    check_all(plan.runs, plan.places)
    train.write_bytes(b"one")
    with pytest.raises(PruneError, match=f"run dense-seed1 was made with other data than {plan.places.data} holds; "):
        check_all(plan.runs, plan.places)
    train.write_bytes(b"other")
    (plan.places.data / "test1.en-de.en.bin").write_bytes(b"another test set")
    check_all(plan.runs, plan.places)
    train.unlink()
    check_all(plan.runs, plan.places)  # to be prepared anew
    train.write_bytes(b"newer")
    with pytest.raises(PruneError, match="made with other data"):
        check_trained(plan.runs[0], plan.places)
    (one.path / "run.json").write_text('{"settings": ' + json.dumps(plan.runs[0].settings) + "}")
    train.write_bytes(b"third")
    check_all(plan.runs, plan.places)  # of a version that did not say


def test_checkpoints_of_unknown_origin_are_not_trained_on(laboratory):
    folder = laboratory.runs / "dense-seed1"
    folder.mkdir(parents=True)
    (folder / "checkpoint_last.pt").touch()
    with pytest.raises(PruneError, match=r"dense-seed1 holds checkpoints but no run\.json"):
        run_plan(laboratory.plan(), cores=1)


def test_a_description_follows_the_plan_but_its_settings_never_change(laboratory, made):
    run = made.run("slt-50-seed1")
    folder = made.folder(run)
    folder.describe(replace(run, also=("slt-mp",)), made.places)
    assert json.loads((folder.path / "run.json").read_text())["also"] == ["slt-mp"]
    folder.check(run, Path("data"), None)


def test_a_truncated_last_checkpoint_is_replaced_by_the_newest_that_is_whole(tmp_path):
    folder = RunFolder(tmp_path)
    last = tmp_path / "checkpoint_last.pt"
    assert folder.repair_checkpoint() is None
    for updates, name in ((10, "best"), (20, "1_20"), (25, "1_25"), (20, "last")):
        state = {"model": {}, "optimizer_history": [{"num_updates": updates}], "last_optimizer_state": {}}
        torch.save(
            {**state, "last_optimizer_state": None} if updates == 25 else state, tmp_path / f"checkpoint_{name}.pt"
        )
    assert folder.repair_checkpoint() is None
    for updates, other in ((20, "checkpoint_1_20.pt"), (10, "checkpoint_best.pt")):
        last.write_bytes(last.read_bytes()[:-30])
        assert folder.repair_checkpoint() == f"{last} was truncated; training goes on from {other}"
        assert Checkpoint.load(last).num_updates == updates
        (tmp_path / other).write_bytes(b"half")
    last.write_bytes(b"half")
    assert folder.repair_checkpoint() == f"{last} was truncated; training starts anew"
    assert not last.exists()


@pytest.mark.parametrize(("optimizer", "updates", "is_kept"), [({}, 20, True), (None, 0, True), (None, 20, False)])
def test_a_last_checkpoint_without_optimizer_state_is_a_ticket_or_nothing(tmp_path, optimizer, updates, is_kept):
    last, history = tmp_path / "checkpoint_last.pt", [{"num_updates": updates}]
    torch.save({"model": {}, "optimizer_history": history, "last_optimizer_state": optimizer}, last)
    repaired = RunFolder(tmp_path).repair_checkpoint()
    assert last.exists() == is_kept
    assert repaired == (None if is_kept else f"{last} has no optimizer state; training starts anew")


def test_a_plan_survives_its_file(laboratory, made):
    assert Plan.read(made.write()) == made


def test_a_new_setting_with_a_default_binds_no_old_run(laboratory):
    plan = laboratory.plan()
    run, folder = plan.runs[0], plan.folder(plan.runs[0])
    folder.describe(run, plan.places)
    checkpoint(folder.path, 1)
    path = folder.path / "run.json"
    made = json.loads(path.read_text())
    del made["settings"]["generation"]["beam"]  # as written before there was such a setting, whose default is 5
    path.write_text(json.dumps(made))
    folder.check(run, Path("data"), None)
    made["settings"]["generation"]["beam"] = 4
    path.write_text(json.dumps(made))
    with pytest.raises(PruneError, match=r"generation\.beam 4, not 5"):
        folder.check(run, Path("data"), None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "run.json holds no JSON object"),
        ('{"nmt_prune": "99.0"}', "run.json was written by nmt-prune 99.0, and this is"),
    ],
)
def test_what_is_no_run_of_this_version_is_refused_and_stays(laboratory, content, message):
    plan = laboratory.plan()
    path = plan.folder(plan.runs[0]).path / "run.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(PruneError, match=message):
        check_all(plan.runs, plan.places)
    assert path.read_text() == content
