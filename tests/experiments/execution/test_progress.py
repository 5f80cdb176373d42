from contextlib import contextmanager
from dataclasses import replace

import pytest

from nmt_prune.experiments.execution import progress
from nmt_prune.experiments.execution.progress import Monitor, clock
from nmt_prune.experiments.execution.status import Status
from nmt_prune.experiments.planning.runs import path_lengths
from nmt_prune.files import write_json
from nmt_prune.processes import exclusive


@pytest.fixture
def now(monkeypatch):
    """A clock to be set."""
    times = {"now": 1000.0}
    monkeypatch.setattr(progress.time, "time", lambda: times["now"])
    return times


@contextmanager
def training(plan, name: str, text: str):
    """A training that is going on, and its log."""
    folder = plan.folder(plan.run(name))
    with exclusive(folder.lock, name):
        folder.log.write_text(text)
        yield


def shown(plan) -> list[str]:
    return [str(running) for running in Monitor(plan).look().running]


def test_what_runs_and_what_is_left(laboratory, now):
    # dense -> slt 50 -> slt 80, and two mp: five trainings of 20 updates.
    plan = replace(laboratory.plan(), slots=2)
    monitor = Monitor(plan, started=1000.0)
    snapshot = monitor.look()
    assert (snapshot.trained, len(snapshot.runs), snapshot.scored, snapshot.to_score) == (0, 5, 0, 5)
    assert (snapshot.running, snapshot.left) == ([], None)
    with training(plan, "mp-50-seed1", "num_updates=9,"):
        pass  # and has ended
    with training(plan, "dense-seed1", "num_updates=2,"):
        now["now"] = 1002.0
        assert [str(running) for running in monitor.look().running] == ["dense-seed1 2/20"]
        plan.folder(plan.run("dense-seed1")).log.write_text("num_updates=6, | bleu 12.34 |")
        now["now"] = 1010.0
        snapshot = monitor.look()
        assert [str(running) for running in snapshot.running] == ["dense-seed1 6/20 BLEU 12.3"]
        # Four updates in eight seconds; the chain has 14 + 20 + 20 = 54 left, all together 94, on two cores 47.
        assert snapshot.left == pytest.approx(2.0 * 54)
        expected = "[0:00:10] 0/5 trained, 0/5 scored · dense-seed1 6/20 BLEU 12.3 · about 0:01:48 left"
        assert str(snapshot) == expected
        # A scored run tells that scoring takes 5 seconds: four more, on two cores. Its 20 updates are off no longest
        # chain.
        write_json(plan.folder(plan.run("mp-50-seed1")).trained, {})
        write_json(plan.folder(plan.run("mp-50-seed1")).scores, {"seconds": 5.0})
        assert monitor.look().left == pytest.approx(2.0 * 54 + 4 * 5.0 / 2)


def test_the_first_look_takes_the_speed_from_the_log(laboratory, now):
    plan = laboratory.plan()
    with training(plan, "dense-seed1", "wps=100, ups=0.5, num_updates=10,"):
        assert Monitor(plan).look().left == pytest.approx(2.0 * 90)


def test_trained_and_scored(laboratory, now):
    plan = laboratory.plan()
    for name in ("dense-seed1", "mp-50-seed1"):
        write_json(plan.folder(plan.run(name)).trained, {})
    write_json(plan.folder(plan.run("dense-seed1")).scores, {})
    assert str(Monitor(plan, started=1000.0).look()) == "[0:00:00] 2/5 trained, 1/5 scored"


def test_no_bleu_while_a_mask_grows(laboratory):
    plan = laboratory.plan()
    with training(plan, "mp-50-seed1", "num_updates=6, | bleu 0 |"):
        assert shown(plan) == ["mp-50-seed1 6/20"]


def test_updates_count_from_the_start_of_the_run(laboratory):
    plan = laboratory.plan(techniques=["finetune"])
    with training(plan, "finetune-50-seed1", "Loaded checkpoint x (epoch 1 @ 20 updates)\nnum_updates=26,"):
        assert shown(plan) == ["finetune-50-seed1 6/20"]


def test_what_knows_no_updates_is_as_far_as_it_says(laboratory, now):
    plan = laboratory.plan(techniques=["mp"], teacher={"word": 0, "sequence": True})
    said = "translating with best.pt, beam 5\ndistill: 35%, about 0:12:00 left\n"
    with training(plan, "distilled-seed1", said):
        assert shown(plan) == ["distilled-seed1 distill: 35%, about 0:12:00 left"]
        (row,) = (row for row in Status(plan, True, Monitor(plan).look(), {}).as_json()["runs"] if row["progress"])
        assert row["progress"] == "distill: 35%, about 0:12:00 left"


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
