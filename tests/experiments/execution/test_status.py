"""``nmt-prune status``, on folders as runners leave them."""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest
import typer
from typer.testing import CliRunner

from nmt_prune.cli.status import status
from nmt_prune.errors import PruneError
from nmt_prune.experiments.execution.states import QUIET, run_states
from nmt_prune.experiments.execution.status import watch
from nmt_prune.files import write_json
from nmt_prune.processes import exclusive, is_held

NOW = "num_updates=12, | bleu 12.34 | wps=900.4, ups=2.5,"


def folder(plan, name: str):
    return plan.folder(plan.run(name))


def begin(plan, name: str, log: str = NOW):
    """Leaves behind what a training does that began."""
    one = folder(plan, name)
    one.path.mkdir(parents=True, exist_ok=True)
    one.log.write_text(log)
    (one.path / "checkpoint_last.pt").touch()
    return one


def finish(plan, name: str, **scores: object) -> None:
    write_json(folder(plan, name).trained, {})
    write_json(folder(plan, name).scores, {"bleu": 30.04, "updates": 20, **scores})


def states(plan) -> dict[str, str]:
    return {one.run.name: one.state for one in run_states(plan)}


def invoke(*arguments: object):
    app = typer.Typer()
    app.command()(status)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def rows(output: str) -> dict[str, list[str]]:
    return {words[0]: words[1:] for line in output.splitlines()[2:] if (words := line.split())}


def test_what_never_began_is_to_do(laboratory):
    plan = laboratory.plan()
    (found,) = {*states(plan).values()}
    assert found == "to do"
    assert not laboratory.runs.exists()


def test_done_running_waiting_and_failed(laboratory):
    plan = laboratory.plan()
    plan.write()
    finish(plan, "mp-50-seed1", updates=15)
    write_json(plan.failure("train", "mp-80-seed1"), "train mp-80-seed1 failed: loss [NaN]; the log is x")
    with ExitStack() as held:
        for lock in (plan.lock, folder(plan, "dense-seed1").lock):
            held.enter_context(exclusive(lock, "it"))
        begin(plan, "dense-seed1")
        before = {path: path.stat().st_mtime_ns for path in laboratory.runs.rglob("*")}
        result = invoke(laboratory.runs)
        values = json.loads(invoke(laboratory.runs, "--json").output)
        assert {path: path.stat().st_mtime_ns for path in laboratory.runs.rglob("*")} == before
    assert result.output.splitlines()[0].startswith(
        f"{laboratory.runs}: 1/5 trained, 1/5 scored; nmt-prune run is at work, 0:00:0"
    )
    # 8 + 20 + 20 updates in the longest chain, 68 in all on the one core that the plan has.
    assert result.output.splitlines()[0].endswith(", about 0:00:27 left")
    assert rows(result.output) == {
        "dense-seed1": ["running", "12/20", "12.3", "–", "2.50", "updates/s,", "900", "words/s"],
        "mp-50-seed1": ["done", "15/20", "–", "30.0", "ended", "early"],
        "mp-80-seed1": ["failed", "0/20", "–", "–"],
        "slt-50-seed1": ["waiting", "0/20", "–", "–", "after", "dense-seed1"],
        "slt-80-seed1": ["waiting", "0/20", "–", "–", "after", "slt-50-seed1"],
    } | {"mp-80-seed1": rows(result.output)["mp-80-seed1"]}
    assert result.output.splitlines()[-1] == "mp-80-seed1 failed: loss [NaN]; the log is x"
    by_name = {one["run"]: one for one in values["runs"]}
    assert (values["running"], values["trained"], values["seconds_left"]) == (True, 1, pytest.approx(68 / 2.5))
    assert by_name["slt-50-seed1"]["after"] == ["dense-seed1"]
    assert by_name["mp-50-seed1"]["ended_early"]


def test_a_training_that_was_killed_is_to_resume(laboratory):
    plan = laboratory.plan()
    one = begin(plan, "dense-seed1")
    program = (
        "import sys, pathlib; from nmt_prune.processes import exclusive\n"
        "with exclusive(pathlib.Path(sys.argv[1]), ''): print(flush=True); input()"
    )
    killed = subprocess.Popen(
        [sys.executable, "-c", program, str(one.lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    killed.stdout.readline()
    assert states(plan)["dense-seed1"] == "running"
    killed.kill()
    os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)  # dead, and nobody has taken note
    assert states(plan)["dense-seed1"] == "to resume"
    killed.communicate()
    assert one.lock.read_text()
    assert states(plan)["dense-seed1"] == "to resume"
    assert run_states(plan)[0].done == 12
    one.lock.write_text(f"{os.getpid()} {socket.gethostname()}")  # another process has its number by now
    assert states(plan)["dense-seed1"] == "to resume"


def test_a_lock_that_was_let_go_names_nobody(laboratory):
    """Whoever reads it on another machine could not see that the process has ended."""
    plan = laboratory.plan()
    with exclusive(plan.lock, "it"):
        assert is_held(plan.lock)
    assert plan.lock.read_text() == ""
    assert is_held(plan.lock) is False


def test_what_holds_a_lock_elsewhere_is_at_work_as_long_as_it_writes(laboratory):
    plan = laboratory.plan()
    one = begin(plan, "dense-seed1")
    one.lock.write_text("1 another-machine")
    assert is_held(one.lock) is None
    assert states(plan)["dense-seed1"] == "running"
    old = one.log.stat().st_mtime - QUIET - 1
    os.utime(one.log, (old, old))
    assert states(plan)["dense-seed1"] == "to resume"


def test_a_runner_of_another_machine_may_have_ended_there(laboratory):
    """Killed, it leaves the lock behind; nothing here can tell."""
    plan = laboratory.plan()
    plan.write()
    with exclusive(plan.lock, "it"):
        plan.lock.write_text("7 another-machine")
        os.utime(plan.lock, (0, time.mktime((2026, 11, 29, 4, 5, 0, 0, 0, -1))))
        owner, way = "process 7 on another-machine, since 2026-11-29 04:05", f"rm {plan.lock} if it has ended there"
        heading = invoke(laboratory.runs).output.splitlines()[0]
        assert heading.endswith(f"; nmt-prune run is at work ({owner}; {way})")
        with pytest.raises(PruneError) as refused, exclusive(plan.lock, "it"):
            pass
    message = f"it is in use by another nmt-prune ({owner}); wait until it ends, or {way}"
    assert str(refused.value) == message


def test_what_a_scheduler_has_stopped_waits_or_is_to_resume(laboratory):
    plan = laboratory.plan()
    begin(plan, "dense-seed1")
    plan.write()
    write_json(plan.failure("train", "dense-seed1"), "train dense-seed1 stopped by SIGTERM when it had saved")
    stopped = ["12/20", "12.3", "–", "stopped", "by", "SIGTERM", "when", "it", "had", "saved"]
    result = invoke(laboratory.runs)
    assert rows(result.output)["dense-seed1"] == ["to", "resume", *stopped]
    assert "failed" not in result.output
    with exclusive(plan.lock, "it"):
        assert rows(invoke(laboratory.runs).output)["dense-seed1"] == ["waiting", *stopped]


def test_a_failure_that_no_runner_could_note_stands_in_the_log(laboratory):
    plan = laboratory.plan()
    one = begin(plan, "dense-seed1", "Traceback\nOSError: [Errno 28] No space left on device: 'a.pt'\n")
    reason = f"OSError: [Errno 28] No space left on device: 'a.pt'; free some space; the log is {one.log}"
    assert (run_states(plan)[0].state, run_states(plan)[0].reason) == ("failed", reason)
    with exclusive(plan.lock, "it"):  # it is tried again
        assert run_states(plan)[0].state == "waiting"


def test_scoring(laboratory):
    plan = laboratory.plan()
    one = begin(plan, "dense-seed1", "num_updates=20,")
    write_json(one.trained, {})
    assert states(plan)["dense-seed1"] == "to score"
    with exclusive(one.lock, "it"):
        assert states(plan)["dense-seed1"] == "scoring"
    write_json(plan.failure("score", "dense-seed1"), "score dense-seed1 failed: no reference")
    assert run_states(plan)[0].reason == "no reference"


def test_watching_ends_when_all_is_done(laboratory, monkeypatch):
    plan = laboratory.plan()
    plan.write()
    for run in plan.runs:
        finish(plan, run.name)
    looks = watch(plan)
    assert not next(looks).is_done

    def report(seconds: float) -> None:
        plan.reported.touch()

    monkeypatch.setattr("time.sleep", report)
    result = invoke(laboratory.runs, "--watch")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].endswith("5/5 trained, 5/5 scored")
    assert lines[1].endswith(f"done; the report is {laboratory.runs / 'report'}")

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    plan.reported.unlink()
    monkeypatch.setattr("time.sleep", interrupt)
    assert invoke(laboratory.runs, "--watch").exit_code == 130


def test_a_recipe_that_has_begun_is_shown_without_torch(laboratory, tmp_path, monkeypatch):
    laboratory.plan().write()
    (tmp_path / "mine.yaml").write_text("name: small\n")
    program = (
        "import sys; from nmt_prune.cli import app; app(['status', 'mine.yaml'], standalone_mode=False); "
        "print({'torch', 'numpy', 'fairseq'} & sys.modules.keys())"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    lines = process.stdout.splitlines()
    assert lines[0] == ("runs/small: 0/5 trained, 0/5 scored; nothing is running; nmt-prune run goes on from here"), (
        process.stderr
    )
    assert lines[-1] == "set()"
    assert "mine.yaml has changed since it was run" in process.stderr


def test_mistakes_are_prune_errors(laboratory):
    laboratory.runs.mkdir(parents=True)
    for arguments, message in (
        ((laboratory.runs,), "holds no plan.json"),
        (("nowhere.yaml",), "nowhere.yaml does not exist"),
        ((laboratory.runs, "--json", "--watch"), "leave out --watch"),
    ):
        error = invoke(*arguments).exception
        assert isinstance(error, PruneError)
        assert message in str(error)
    write_json(laboratory.runs / "plan.json", {"runs": 1})
    error = invoke(laboratory.runs).exception
    assert isinstance(error, PruneError)
    assert "is no plan of this version" in str(error)
