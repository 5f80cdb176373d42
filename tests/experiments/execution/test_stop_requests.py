import os
import signal
import sys

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.experiments.execution import stop_requests
from nmt_prune.experiments.execution.step import execute
from nmt_prune.experiments.execution.stop_requests import Requests, Requeued, Stopped, listening
from nmt_prune.processes import HAS_STOPPED, STOPPED

# Listens late, as a training does, and saves.
TRAINING = f"""
import os, signal, sys, time
os.kill(os.getppid(), signal.{{name}})
time.sleep(0.3)
signal.signal(signal.{{name}}, lambda *_: sys.exit({STOPPED}))
time.sleep(60)
"""


@pytest.fixture
def scontrol(tmp_path, monkeypatch):
    """A SLURM that queues jobs again, or does not."""

    def answer(status: int, said: str = "") -> None:
        program = tmp_path / "scontrol"
        program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\necho "{said}" >&2\nexit {status}\n')
        program.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    return answer


def run_and_ask(name: str, log) -> None:
    with listening(elsewhere=True) as requests:
        execute([sys.executable, "-c", TRAINING.format(name=name)], log, {}, requests)


def test_a_job_whose_time_is_over_is_queued_again(scontrol, tmp_path, monkeypatch):
    monkeypatch.setattr(stop_requests, "SECONDS_BETWEEN_REQUESTS", 0.1)
    before = signal.getsignal(signal.SIGUSR1)
    scontrol(0)
    with pytest.raises(Requeued):
        run_and_ask("SIGUSR1", tmp_path / "log")
    assert (tmp_path / "asked").read_text() == "requeue 12\n"
    assert signal.getsignal(signal.SIGUSR1) == before
    scontrol(1, "Requested operation is presently disabled")
    with pytest.raises(
        PruneError, match="saved; job 12 is not queued again: Requested operation is presently disabled"
    ):
        run_and_ask("SIGUSR1", tmp_path / "log")


def test_processes_that_train_together_say_in_the_log_that_they_have_saved(scontrol, tmp_path):
    """Their parent, fairseq's own, ends with status 1; and at the end of its time a job gets SIGTERM, too."""
    scontrol(0)
    program = f"print('{HAS_STOPPED} 7'); raise SystemExit(1)"
    with pytest.raises(Requeued):
        execute([sys.executable, "-c", program], tmp_path / "log", {}, Requests([signal.SIGUSR1, signal.SIGTERM]))
    with pytest.raises(PruneError, match="the log is"):  # said by an earlier attempt
        execute([sys.executable, "-c", "raise SystemExit(1)"], tmp_path / "log", {}, Requests([signal.SIGUSR1]))


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGTERM"])
def test_processes_that_train_together_are_asked_themselves(name, tmp_path, monkeypatch):
    """Again and again, as they listen late; their parent would pass nothing on, and would end by SIGTERM."""
    monkeypatch.setattr(stop_requests, "SECONDS_BETWEEN_REQUESTS", 0.1)
    worker = f"""
import signal, sys, time
time.sleep(0.3)
signal.signal(signal.SIGUSR1, lambda *_: sys.exit({STOPPED}))
time.sleep(60)
"""
    parent = f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {worker!r}]))"
    requests = Requests([signal.Signals[name]], together=True)
    with pytest.raises(Stopped, match=f"stopped by {name} when it had saved"):
        execute([sys.executable, "-c", parent], tmp_path / "log", {}, requests)


def test_what_a_signal_ends_before_it_could_save_was_stopped_too(tmp_path):
    program = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    with pytest.raises(Stopped, match="stopped by SIGTERM before it could save; the log is"):
        execute([sys.executable, "-c", program], tmp_path / "log", {}, Requests([signal.SIGTERM]))


def test_any_other_signal_leaves_that_to_the_scheduler(scontrol, tmp_path):
    scontrol(0)
    with pytest.raises(PruneError, match="stopped by SIGTERM when it had saved"):
        Requests([signal.SIGTERM]).answer()
    assert not (tmp_path / "asked").exists()


def test_without_slurm_nothing_is_queued_again(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(PruneError, match="stopped by SIGUSR1 when it had saved"):
        Requests([signal.SIGUSR1]).answer()


def test_on_the_users_own_machine_signals_end_a_step_as_ever():
    before = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGUSR1)]
    with listening(elsewhere=False):
        assert [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGUSR1)] == before


def test_a_training_that_was_asked_by_someone_else_says_so(tmp_path):
    for program in (f"raise SystemExit({STOPPED})", f"print('{HAS_STOPPED} 7'); raise SystemExit(1)"):
        with pytest.raises(PruneError, match="stopped by a signal when it had saved"):
            execute([sys.executable, "-c", program], tmp_path / "log", {}, Requests())
