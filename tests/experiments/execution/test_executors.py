import importlib.util
from dataclasses import replace

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.experiments.execution import executors
from nmt_prune.experiments.execution.executors import check_executor, cluster_error, executor_arguments
from nmt_prune.experiments.recipe.resources import Resources, of_a_job
from tests.experiments.laboratory import Laboratory
from tests.experiments.recipes import make_recipe

REFUSED = """
Error in rule train_dense-seed1:
    message: SLURM sbatch failed. The error message was 'sbatch: error: invalid partition specified: nowhere
sbatch: error: Batch job submission failed: Invalid partition name specified'.
    sbatch call:
"""
ENDED = "    message: SLURM-job '12' failed, SLURM status is: 'OUT_OF_MEMORY'. Reason: Unknown."


@pytest.fixture
def plan(tmp_path):
    return Laboratory(tmp_path).plan()


@pytest.fixture
def complete(monkeypatch):
    """Every program and plugin is there."""
    monkeypatch.setattr(executors.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)


def lacking(monkeypatch, *names: str) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in names else found(name))
    monkeypatch.setattr(executors.shutil, "which", lambda name: None if name in names else name)


@pytest.mark.parametrize(
    ("name", "missing", "message"),
    [
        ("dryrun", "", "--executor dryrun runs nothing; --dry-run shows the plan"),
        ("touch", "", "--executor touch runs nothing"),
        ("slurm", "snakemake", r"is not installed: pip install 'nmt-prune\[experiments\]' 'nmt-prune\[cluster\]'"),
        ("slurm", "snakemake_executor_plugin_slurm", r"plugin for it is not installed: pip install 'nmt-prune\[clu"),
        ("no-such", "snakemake_executor_plugin_no_such", "pip install snakemake-executor-plugin-no-such"),
        ("no.such", "", "pip install snakemake-executor-plugin-no.such"),
        ("slurm", "sbatch", "--executor slurm: no sbatch is found here; run the command where jobs are submitted"),
    ],
)
def test_what_is_missing_is_named(complete, monkeypatch, plan, name, missing, message):
    check_executor("slurm", plan)
    lacking(monkeypatch, missing)
    with pytest.raises(PruneError, match=message):
        check_executor(name, plan)


@pytest.mark.parametrize("extra", [["--executor", "slurm"], ["--executor=slurm"], ["--retries", "2", "-e", "slurm"]])
def test_the_executor_stands_before_the_dashes(plan, extra):
    with pytest.raises(PruneError, match=r"stands after --, for Snakemake; put it before --"):
        check_executor("local", plan, extra)


def test_a_share_of_a_gpu_is_asked_of_the_cluster(complete, tmp_path):
    shared = Laboratory(tmp_path).plan(gpu_share=0.5)
    with pytest.raises(PruneError, match=r"gpu_share: .* ask for a share with resources\.gres"):
        check_executor("slurm", shared)
    check_executor("slurm", replace(shared, resources=Resources(gres="shard:1")))
    check_executor("local", shared)


def test_accounting_decides_how_jobs_are_followed(monkeypatch, tmp_path):
    assert executor_arguments("local", 3, []) == ["--cores", "3"]
    sacct = tmp_path / "sacct"
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert executor_arguments("slurm", 3, [])[-2:] == ["--slurm-status-command", "squeue"]
    for status, ends in ((0, "--slurm-requeue"), (1, "squeue")):
        sacct.write_text(f"#!/bin/sh\nexit {status}\n")
        sacct.chmod(0o755)
        assert executor_arguments("slurm", 3, [])[-1] == ends
    assert executor_arguments("slurm", 3, ["--slurm-status-command=sacct"])[-1] == "--slurm-requeue"


def test_what_a_cluster_says_is_one_line(tmp_path):
    log = tmp_path / "snakemake.log"
    assert cluster_error(log) is None
    log.write_text("WorkflowError:\nAt least one job did not complete successfully.\n")
    assert cluster_error(log) is None
    log.write_text(ENDED)
    assert cluster_error(log) == "SLURM ended job 12: OUT_OF_MEMORY"
    log.write_text(REFUSED)
    assert cluster_error(log) == (
        "SLURM does not take the job: invalid partition specified: nowhere; Batch job submission failed: Invalid"
        " partition name specified; mend the recipe's resources"
    )


def test_each_job_has_its_gpus_and_is_told_in_time():
    asked = Resources(mem_mb=4000, runtime=60, slurm_extra="--exclusive", notice=300)
    own = {"mem_mb": 4000, "runtime": 60, "slurm_extra": "--exclusive --signal=USR1@300"}
    assert of_a_job(asked, 0) == own
    assert of_a_job(asked, 2) == {**own, "gpu": 2}
    shared = Resources(gres="shard:1")
    assert of_a_job(shared, 1) == {"gres": "shard:1", "slurm_extra": "--signal=USR1@120"}
    assert of_a_job(shared, 0) == {"slurm_extra": "--signal=USR1@120"}


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"runtime": 2}, "notice: 120 seconds are all of runtime 2 minutes"),
        ({"slurm_extra": "--signal=USR1@60"}, "slurm_extra: --signal is given by notice"),
        ({"memory": 3}, "Extra inputs are not permitted"),
    ],
)
def test_resources_that_would_do_nothing_are_refused(resources, message):
    with pytest.raises(ValueError, match=message):
        make_recipe(resources=resources)
