import os

import pytest

from nmt_prune.experiments.execution import progress
from nmt_prune.experiments.execution.progress import Monitor, clock
from nmt_prune.experiments.planning.runs import path_lengths
from nmt_prune.files import write_json


@pytest.fixture
def now(monkeypatch):
    """A clock to be set."""
    times = {"now": 1000.0}
    monkeypatch.setattr(progress.time, "time", lambda: times["now"])
    return times


def write_log(plan, name: str, text: str, at: float) -> None:
    log = plan.folder(plan.run(name)).log
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(text)
    os.utime(log, (at, at))


def test_what_runs_and_what_is_left(laboratory, now):
    # dense -> slt 50 -> slt 80, and two mp: five trainings of 20 updates.
    plan = laboratory.plan()
    monitor = Monitor(plan, cores=2, started=1000.0)
    snapshot = monitor.look()
    assert (snapshot.trained, snapshot.to_train, snapshot.scored, snapshot.to_score) == (0, 5, 0, 5)
    assert (snapshot.running, snapshot.left) == ([], None)
    write_log(plan, "dense-seed1", "num_updates=2,", at=1001.0)
    write_log(plan, "mp-50-seed1", "num_updates=9,", at=999.0)
    now["now"] = 1002.0
    assert [str(running) for running in monitor.look().running] == ["dense-seed1 2/20"]
    write_log(plan, "dense-seed1", "num_updates=6, | bleu 12.34 |", at=1004.0)
    now["now"] = 1010.0
    snapshot = monitor.look()
    assert [str(running) for running in snapshot.running] == ["dense-seed1 6/20 BLEU 12.3"]
    # Four updates in eight seconds; the chain has 14 + 20 + 20 = 54 left, all together 94, on two cores 47.
    assert snapshot.left == pytest.approx(2.0 * 54)
    assert str(snapshot) == "[0:00:10] 0/5 trained, 0/5 scored · dense-seed1 6/20 BLEU 12.3 · about 0:01:48 left"
    # A scored run tells that scoring takes 5 seconds: four more, on two cores. Its 20 updates are off no longest chain.
    write_json(plan.folder(plan.run("mp-50-seed1")).trained, {})
    write_json(plan.folder(plan.run("mp-50-seed1")).scores, {"seconds": 5.0})
    assert monitor.look().left == pytest.approx(2.0 * 54 + 4 * 5.0 / 2)


def test_trained_and_scored(laboratory, now):
    plan = laboratory.plan()
    for name in ("dense-seed1", "mp-50-seed1"):
        write_json(plan.folder(plan.run(name)).trained, {})
    write_json(plan.folder(plan.run("dense-seed1")).scores, {})
    snapshot = Monitor(plan, cores=1, started=1000.0).look()
    assert str(snapshot) == "[0:00:00] 2/5 trained, 1/5 scored"


def test_no_bleu_while_a_mask_grows(laboratory, now):
    plan = laboratory.plan()
    write_log(plan, "mp-50-seed1", "num_updates=6, | bleu 0 |", at=1004.0)
    assert [str(running) for running in Monitor(plan, cores=1, started=1000.0).look().running] == ["mp-50-seed1 6/20"]


def test_a_failed_training_is_not_going_on(laboratory, now):
    plan = laboratory.plan()
    write_log(plan, "dense-seed1", "num_updates=2,", at=1001.0)
    write_json(plan.failure("train", "dense-seed1"), "it failed")
    assert Monitor(plan, cores=1, started=1000.0).look().running == []


def test_updates_count_from_the_start_of_the_run(laboratory, now):
    plan = laboratory.plan(techniques=["finetune"])
    write_log(plan, "finetune-50-seed1", "Loaded checkpoint x (epoch 1 @ 20 updates)\nnum_updates=26,", at=1001.0)
    assert [str(running) for running in Monitor(plan, cores=1, started=1000.0).look().running] == [
        "finetune-50-seed1 6/20"
    ]


def test_path_lengths_follow_the_longest_chain(laboratory):
    runs = laboratory.plan().runs
    left = {run.name: 20 for run in runs} | {"dense-seed1": 5}
    assert path_lengths(runs, left) == {
        "dense-seed1": 45,
        "slt-50-seed1": 40,
        "slt-80-seed1": 20,
        "mp-50-seed1": 20,
        "mp-80-seed1": 20,
    }


def test_clock():
    assert clock(200.4) == "0:03:20"
