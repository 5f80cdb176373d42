"""Who trains where: GPUs are counted and shared out; the GPUs themselves are pretended."""

import os
import time
from contextlib import ExitStack

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.experiments.execution import runner
from nmt_prune.experiments.execution.devices import environment, slots, visible_gpus
from nmt_prune.experiments.execution.runner import run_plan
from nmt_prune.experiments.planning.expansion import expand
from nmt_prune.experiments.recipe.sections import gpus_wanted
from tests.experiments.recipes import make_recipe

ONE_GPU: dict = {}
TWO_GPUS = {"distributed_world_size": 2}
CPU = {"cpu": True}


def runs(training: dict, **changes):
    return expand(make_recipe(training={"max_update": 20, **training}, **changes))


@pytest.mark.parametrize(("training", "wanted"), [(ONE_GPU, 1), (TWO_GPUS, 2), (CPU, 0), ({**TWO_GPUS, **CPU}, 0)])
def test_gpus_of_a_training(training, wanted):
    assert gpus_wanted(training) == wanted


@pytest.mark.parametrize(
    ("training", "gpus", "cores", "together"),
    [
        (ONE_GPU, "0123", None, 4),
        (ONE_GPU, "0123", 2, 2),
        (ONE_GPU, "0", 8, 1),
        (TWO_GPUS, "01234", None, 2),
        (TWO_GPUS, "01", None, 1),
        (CPU, "01", 3, 3),
        (CPU, "01", None, 6),
        (ONE_GPU, "", 3, 3),
        (ONE_GPU, "", None, 6),
    ],
)
def test_steps_side_by_side(training, gpus, cores, together, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert slots(runs(training), tuple(gpus), cores) == together


@pytest.mark.parametrize(
    ("training", "changes", "gpus", "message"),
    [
        (TWO_GPUS, {}, "0", "distributed-world-size 2: only 1 GPUs are visible"),
        (TWO_GPUS, {}, "", "distributed-world-size 2: no GPU is visible"),
        (ONE_GPU, {"precision": "fp16"}, "", "precision fp16: no GPU is visible"),
        (ONE_GPU, {"precision": "bf16"}, "0", "precision bf16: fairseq-train takes --bf16 for a TPU"),
    ],
)
def test_missing_gpus_are_refused_before_anything_starts(training, changes, gpus, message, laboratory, monkeypatch):
    monkeypatch.setattr(runner, "visible_gpus", lambda: tuple(gpus))
    with pytest.raises(PruneError, match=message) as caught:
        run_plan(laboratory.plan(training={"max_update": 20, **training}, **changes))
    assert "\n" not in str(caught.value)
    assert laboratory.calls("data") == []


@pytest.mark.parametrize(
    ("variable", "count", "gpus"),
    [
        (None, 2, ("0", "1")),
        ("4,7", 2, ("4", "7")),
        ("GPU-ab, GPU-cd", 2, ("GPU-ab", "GPU-cd")),
        ("", 0, ()),
        ("0", 0, ()),
    ],
)
def test_visible_gpus(variable, count, gpus, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    if variable is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert visible_gpus() == gpus


def test_steps_hold_different_gpus(tmp_path, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    gpus = ("0", "MIG-a/1/0", "2")
    with environment(2, gpus, tmp_path) as first, environment(1, gpus, tmp_path) as second:
        assert first["CUDA_VISIBLE_DEVICES"] == "0,MIG-a/1/0"
        assert second["CUDA_VISIBLE_DEVICES"] == "2"
        assert first["OMP_NUM_THREADS"] == second["OMP_NUM_THREADS"] == "5"
        began = time.monotonic()
        with pytest.raises(PruneError, match="0 of the GPUs 0, MIG-a/1/0, 2 are free and 1 are needed"):
            environment(1, gpus, tmp_path, patience=0.3).__enter__()
        assert time.monotonic() - began >= 0.3
    with environment(3, gpus, tmp_path) as all_of_them:
        assert all_of_them["CUDA_VISIBLE_DEVICES"] == "0,MIG-a/1/0,2"


def test_steps_share_a_gpu(tmp_path, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    assert slots(runs(ONE_GPU), ("0", "1"), None, per_gpu=4) == 8
    assert slots(runs(ONE_GPU), ("0", "1"), 3, per_gpu=4) == 3
    with ExitStack() as stack:
        held = [stack.enter_context(environment(1, ("0", "1"), tmp_path, per_gpu=2)) for _ in range(4)]
        assert [each["CUDA_VISIBLE_DEVICES"] for each in held] == ["0", "1", "0", "1"]
        assert {each["OMP_NUM_THREADS"] for each in held} == {"4"}
        with pytest.raises(PruneError, match="0 of the GPUs 0, 1 are free and 1 are needed"):
            environment(1, ("0", "1"), tmp_path, per_gpu=2).__enter__()


@pytest.mark.parametrize("training", [TWO_GPUS, CPU])
def test_only_trainings_on_one_gpu_share_it(training):
    with pytest.raises(ValueError, match="gpu_share: only trainings on one GPU share it"):
        make_recipe(training={"max_update": 20, **training}, gpu_share=0.5)


def test_environment_elsewhere(tmp_path):
    with environment(0, ("0",), tmp_path) as on_cpu:
        assert (on_cpu["CUDA_VISIBLE_DEVICES"], on_cpu["OMP_NUM_THREADS"]) == ("", "1")
    with environment(1, (), tmp_path) as without_gpu:
        assert without_gpu["OMP_NUM_THREADS"] == "1"
        assert "CUDA_VISIBLE_DEVICES" not in without_gpu
    with environment(1, None, tmp_path) as on_a_cluster:
        assert on_a_cluster == {}


@pytest.mark.slow
def test_trainings_go_side_by_side_on_gpus_of_their_own(laboratory, monkeypatch):
    monkeypatch.setattr(runner, "visible_gpus", lambda: ("5", "7"))
    laboratory.expect_together("mp-50-seed1", "mp-80-seed1")
    run_plan(laboratory.plan(techniques=["mp"]))
    calls = laboratory.calls("train")
    assert {call["gpus"] for call in calls} == {"5", "7"}
    assert {call["threads"] for call in calls} == {str(max(1, os.cpu_count() // 2))}
    together = [(a, b) for a in calls for b in calls if a["began"] < b["began"] < a["ended"]]
    assert together
    assert all(a["gpus"] != b["gpus"] for a, b in together)
    assert all(call["gpus"] in ("5", "7") for call in laboratory.calls("score"))


@pytest.mark.slow
def test_a_training_on_two_gpus_has_both(laboratory, monkeypatch):
    monkeypatch.setattr(runner, "visible_gpus", lambda: ("5", "7"))
    run_plan(laboratory.plan(techniques=["mp"], training={"max_update": 20, **TWO_GPUS}))
    calls = laboratory.calls("train")
    assert [call["gpus"] for call in calls] == ["5,7"] * 3
    assert not [(a, b) for a in calls for b in calls if a["began"] < b["began"] < a["ended"]]
    assert {call["gpus"] for call in laboratory.calls("score")} == {"5"}


@pytest.mark.slow
def test_a_recipe_for_cpus_stays_off_the_gpus(laboratory, monkeypatch):
    monkeypatch.setattr(runner, "visible_gpus", lambda: ("5", "7"))
    run_plan(laboratory.plan(techniques=[], training={"max_update": 20, **CPU}), cores=1)
    for call in (*laboratory.calls("train"), *laboratory.calls("score")):
        assert (call["gpus"], call["threads"]) == ("", "1")
        assert "--cpu" in call["arguments"]


@pytest.mark.slow
def test_what_is_finished_asks_for_no_gpu(laboratory, monkeypatch):
    plan = laboratory.plan(techniques=[], precision="fp16")
    monkeypatch.setattr(runner, "visible_gpus", lambda: ("0",))
    run_plan(plan)
    monkeypatch.setattr(runner, "visible_gpus", tuple)
    assert run_plan(plan) == laboratory.runs / "report"
