"""The runner with real Snakemake and fake programs."""

import errno
import io
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.experiments.execution import runner
from nmt_prune.experiments.execution.runner import run_plan
from nmt_prune.processes import exclusive
from tests.experiments.laboratory import ALL, Laboratory, assert_in_order
from tests.waiting import LONGEST, is_alive, wait_until

pytestmark = pytest.mark.slow

# The runner in a process of its own, to be killed.
DRIVER = """
import sys
from pathlib import Path
from tests.experiments.laboratory import Laboratory
from nmt_prune.experiments.execution.runner import run_plan
run_plan(Laboratory(Path(sys.argv[1])).plan(techniques=["slt"], training={"max_update": 60}), cores=1)
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(runner, "SECONDS_BETWEEN_LOOKS", 0.1)


@pytest.fixture(scope="module")
def done_once(tmp_path_factory) -> Laboratory:
    """All runs of the plan, done."""
    laboratory = Laboratory(tmp_path_factory.mktemp("finished"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        run_plan(laboratory.plan(), cores=2)
    laboratory.forget_calls()
    shutil.copytree(laboratory.folder, laboratory.folder.with_suffix(".copy"), symlinks=True)
    return laboratory


@pytest.fixture
def finished(done_once) -> Laboratory:
    """The same folder for each test, as it was when the runs were done."""
    shutil.rmtree(done_once.folder)
    shutil.copytree(done_once.folder.with_suffix(".copy"), done_once.folder, symlinks=True)
    return done_once


def test_everything_is_done_once_and_in_order(laboratory, capfd, monkeypatch):
    monkeypatch.setattr("nmt_prune.pace.SECONDS_BETWEEN_LINES", 0.1)
    report = run_plan(laboratory.plan(), cores=2)
    calls = assert_in_order(laboratory, report)
    assert all(call["threads"] == "1" and call["run_json_was_there"] for call in calls.values())
    described = json.loads((laboratory.runs / "slt-80-seed1" / "run.json").read_text())
    assert described["command"][0] == "fairseq-train"
    assert (described["parent"], described["sparsity"], described["total_updates"]) == ("slt-50-seed1", 0.8, 60)
    assert described["settings"]["training"]["max_update"] == 20
    shown = capfd.readouterr()
    assert "5/5 trained, 5/5 scored" in shown.err
    assert shown.out == ""


def test_finished_runs_are_never_done_again(finished):
    run_plan(finished.plan(), cores=2)
    assert not (finished.control / "calls.jsonl").exists()
    # Newer data, older results, no notes of Snakemake's: none of them makes a finished run unfinished.
    shutil.rmtree(finished.runs / ".snakemake")
    for marker in finished.runs.glob("*/*.json"):
        os.utime(marker, (0, 0))
    (finished.runs / "mp-80-seed1" / "scores.json").unlink()
    run_plan(finished.plan(), cores=2)
    assert finished.trained() == []
    assert [call["run"] for call in finished.calls("score")] == ["mp-80-seed1"]
    assert len(finished.calls("report")) == 1


def test_other_published_numbers_only_renew_the_report(finished):
    with_numbers = replace(finished.plan(), published=("brix2020",))
    run_plan(with_numbers, cores=2)
    assert (finished.trained(), len(finished.calls("report"))) == ([], 1)
    run_plan(with_numbers, cores=2)
    assert len(finished.calls("report")) == 1


def test_a_report_that_was_deleted_is_made_again(finished):
    shutil.rmtree(finished.plan().places.runs / "report")
    run_plan(finished.plan(), cores=2)
    assert (finished.trained(), len(finished.calls("report"))) == ([], 1)


def test_a_longer_ladder_adds_only_its_runs(finished):
    run_plan(finished.plan(ladder=[50, 80, 90], techniques=["mp", "slt", "mp-slt"]), cores=2)
    assert sorted(finished.trained()) == [
        "mp-60-seed1",
        "mp-90-seed1",
        "mp-slt-80-seed1",
        "mp-slt-90-seed1",
        "slt-90-seed1",
    ]
    described = json.loads((finished.runs / "mp-50-seed1" / "run.json").read_text())
    assert described["also"] == ["mp-slt"]


def test_runs_go_side_by_side_on_as_many_cores(laboratory):
    for cores, most in ((1, 1), (2, 2)):
        shutil.rmtree(laboratory.runs, ignore_errors=True)
        if most == 2:
            laboratory.expect_together("mp-50-seed1", "mp-80-seed1")
        run_plan(laboratory.plan(techniques=["mp"], ladder=[50, 80]), cores=cores)
        calls = laboratory.calls("train")
        laboratory.forget_calls()
        together = [sum(other["began"] <= call["began"] < other["ended"] for other in calls) for call in calls]
        assert max(together) == most


def test_the_longest_chain_goes_first(laboratory):
    run_plan(laboratory.plan(controls=["dense-longer"]), cores=1)
    assert laboratory.trained()[0] == "dense-seed1"
    assert laboratory.trained().index("slt-80-seed1") < laboratory.trained().index("mp-50-seed1")


def test_a_failure_is_one_line_and_spares_the_rest(laboratory, capfd):
    (laboratory.control / "fail.slt-50-seed1").touch()
    with pytest.raises(PruneError) as caught:
        run_plan(laboratory.plan(), cores=1)
    log = laboratory.runs / "slt-50-seed1" / "train.log"
    expected = f"train slt-50-seed1 failed: RuntimeError: loss is NaN; the log is {log}"
    assert str(caught.value) == f"{expected}; repeat the command to go on from there"
    assert expected in capfd.readouterr().err.splitlines()
    assert {"mp-50-seed1", "mp-80-seed1"} <= set(laboratory.trained())
    assert not (laboratory.runs / "slt-80-seed1").exists()
    (laboratory.control / "fail.slt-50-seed1").unlink()
    laboratory.forget_calls()
    run_plan(laboratory.plan(), cores=1)
    assert {call["run"]: call["resumed_at"] for call in laboratory.calls("train")} == {
        "slt-50-seed1": 10,
        "slt-80-seed1": 0,
    }


def test_failing_data_stop_everything(laboratory):
    (laboratory.folder / "data-bin").write_text("in the way")
    with pytest.raises(PruneError, match="data failed: FileExistsError"):
        run_plan(laboratory.plan(), cores=1)
    assert laboratory.trained() == []


def test_what_snakemake_refuses_is_reported(laboratory):
    with pytest.raises(PruneError, match=r"Snakemake failed: .*no-such-flag.*snakemake\.log"):
        run_plan(laboratory.plan(), cores=1, extra=["--no-such-flag"])


def kill(command: list[str], death: signal.Signals, laboratory: Laboratory, log: Path) -> str:
    """All that the training has logged that hangs, killed with its runner."""
    before = log.read_text() if log.exists() else ""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: log.exists() and "num_updates=15" in log.read_text()[len(before) :])
        training = int((laboratory.control / "pid").read_text())
        assert is_alive(training)
    finally:
        process.send_signal(death)
        process.wait(timeout=LONGEST)
    wait_until(lambda: not is_alive(training))
    after = log.read_text()
    assert after.startswith(before)
    return after


def test_a_killed_runner_is_started_again_by_the_same_command(laboratory):
    (laboratory.control / "hang.slt-50-seed1").touch()
    command = [sys.executable, "-c", DRIVER, str(laboratory.folder)]
    log = laboratory.runs / "slt-50-seed1" / "train.log"
    for death in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        stopped_after = kill(command, death, laboratory, log)
    laboratory.forget_calls()
    (laboratory.control / "hang.slt-50-seed1").unlink()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, timeout=600)
    assert log.read_text().startswith(stopped_after)
    first, second = laboratory.calls("train")
    assert (first["run"], second["run"]) == ("slt-50-seed1", "slt-80-seed1")
    assert first["resumed_at"] >= 10
    assert second["resumed_at"] == 0
    assert (laboratory.runs / "report" / "table.md").read_text().split() == [
        "dense-seed1",
        "slt-50-seed1",
        "slt-80-seed1",
    ]


class FullFile(io.BytesIO):
    def write(self, content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_the_reason_whatever_the_log_says(laboratory, monkeypatch):
    (laboratory.control / "fail.slt-50-seed1").touch()
    with monkeypatch.context() as full:
        full.setattr(runner, "TemporaryFile", lambda dir: FullFile())
        with pytest.raises(PruneError) as caught:
            run_plan(laboratory.plan(), cores=1)
    reason = "No space left on device; free some space, then repeat the command to go on from there"
    assert str(caught.value) == f"{laboratory.runs}: {reason}"
    (laboratory.control / "fail.slt-50-seed1").unlink()
    run_plan(laboratory.plan(), cores=1)
    assert (laboratory.runs / "report" / "table.md").read_text().split() == ALL


def test_a_folder_that_vanishes_is_the_reason(laboratory, monkeypatch):
    look = runner.Monitor.look

    def vanish(monitor: runner.Monitor) -> object:
        shutil.rmtree(laboratory.runs, ignore_errors=True)
        return look(monitor)

    monkeypatch.setattr(runner.Monitor, "look", vanish)
    with pytest.raises(PruneError, match=r"runs/small: No such file or directory; see that its folder is there"):
        run_plan(laboratory.plan(), cores=1)


def test_a_folder_that_can_take_no_lock_is_named(tmp_path):
    limit, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
    try:
        with pytest.raises(OSError, match=rf"File too large: '{tmp_path}/\.lock'"), exclusive(tmp_path / ".lock", "it"):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))


HOLDER = "import fcntl, sys; file = open(sys.argv[1], 'a'); fcntl.flock(file, 2); print(flush=True); input()"


def test_two_runners_do_not_share_a_folder(laboratory):
    lock = laboratory.runs / ".lock"
    laboratory.runs.mkdir(parents=True)
    command = [sys.executable, "-c", HOLDER, str(lock)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        with pytest.raises(PruneError, match="runs/small is in use by another nmt-prune"):
            run_plan(laboratory.plan(), cores=1)
    finally:
        holder.kill()
        holder.communicate()
    with exclusive(lock, "the folder"):
        assert lock.read_text() == f"{os.getpid()} {socket.gethostname()}"
