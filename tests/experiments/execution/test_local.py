"""The runner without Snakemake, with fake programs: the same runs, resumed the same way."""

import os

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.experiments.execution import local, runner
from nmt_prune.experiments.execution.local import Step
from nmt_prune.experiments.execution.runner import run_plan
from tests.experiments.laboratory import assert_in_order


@pytest.fixture(autouse=True)
def _no_snakemake(monkeypatch):
    monkeypatch.setattr(runner, "SECONDS_BETWEEN_LOOKS", 0.1)
    monkeypatch.setattr(runner, "has_snakemake", lambda: False)


@pytest.mark.slow
def test_everything_is_done_once_and_in_order(laboratory):
    report = run_plan(laboratory.plan(), cores=2)
    assert_in_order(laboratory, report)
    assert len(laboratory.calls("score")) == 5
    laboratory.forget_calls()
    run_plan(laboratory.plan(), cores=2)
    assert not (laboratory.control / "calls.jsonl").exists()


@pytest.mark.slow
def test_what_does_not_need_a_failed_training_goes_on(laboratory):
    (laboratory.control / "fail.slt-50-seed1").touch()
    with pytest.raises(PruneError, match=r"train slt-50-seed1 failed: .*repeat the command to go on"):
        run_plan(laboratory.plan(), cores=2)
    assert {"dense-seed1", "mp-50-seed1", "mp-80-seed1"} <= set(laboratory.trained())
    assert len(laboratory.calls("score")) == 3
    assert laboratory.calls("report") == []
    (laboratory.control / "fail.slt-50-seed1").unlink()
    laboratory.forget_calls()
    run_plan(laboratory.plan(), cores=2)
    assert laboratory.trained() == ["slt-50-seed1", "slt-80-seed1"]


@pytest.mark.slow
def test_students_wait_for_what_their_teacher_writes(laboratory):
    training = {"max_update": 20, "criterion": "cross_entropy"}
    plan = laboratory.plan(training=training, techniques=["mp"], teacher={"word": 0, "sequence": True})
    run_plan(plan, cores=2)
    assert sorted(laboratory.trained()) == ["dense-seed1", "mp-50-seed1", "mp-80-seed1"]
    (distilled,) = laboratory.calls("distill")
    dense, *students = laboratory.calls("train")
    assert dense["ended"] <= distilled["began"]
    assert all(distilled["ended"] <= student["began"] for student in students)
    assert len(laboratory.calls("score")) == 3


@pytest.mark.slow
def test_trainings_share_gpus(laboratory, monkeypatch):
    monkeypatch.setattr(runner, "visible_gpus", lambda: ("5", "7"))
    plan = laboratory.plan(techniques=["mp"], controls=["random-init"], gpu_share=0.5)
    laboratory.expect_together(*(run.name for run in plan.runs if run.name != "dense-seed1"))
    run_plan(plan)
    calls = laboratory.calls("train")
    assert {call["gpus"] for call in calls} == {"5", "7"}
    assert {call["threads"] for call in calls} == {str(max(1, os.cpu_count() // 4))}
    together = [sum(b["began"] <= a["began"] < b["ended"] for b in calls) for a in calls]
    assert max(together) == 4
    assert max(sum(b["began"] <= a["began"] < b["ended"] and a["gpus"] == b["gpus"] for b in calls) for a in calls) == 2


def test_arguments_of_snakemake_need_it(laboratory):
    with pytest.raises(PruneError, match=r"--retries=2 is for Snakemake, which is not installed: pip install"):
        run_plan(laboratory.plan(), extra=["--retries=2"])


def test_order():
    runs = [
        {"run": "a", "after": ["old"], "train": True, "score": False, "priority": 3},
        {"run": "b", "after": ["a"], "train": True, "score": True, "priority": 2},
        {"run": "old", "after": [], "train": False, "score": True, "priority": 0},
    ]
    data, a, b = ("data",), ("train", "a"), ("train", "b")
    scores = [("score", "b"), ("score", "old")]
    assert list(local.steps({"steps": runs})) == [
        Step(data, frozenset()),
        Step(a, frozenset([data]), 3),
        Step(b, frozenset([data, a]), 2),
        Step(scores[0], frozenset([b]), 4),
        Step(scores[1], frozenset(), 4),
        Step(("report",), frozenset([data, a, b, *scores])),
    ]
