"""Running an experiment: whatever of the plan is not done yet, by Snakemake or, where it is not installed, without."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from nmt_prune.errors import PruneError
from nmt_prune.experiments.execution.devices import slots, visible_gpus
from nmt_prune.experiments.execution.display import Display, open_display
from nmt_prune.experiments.execution.executors import (
    LOCAL,
    check_executor,
    cluster_error,
    executor_arguments,
    has_snakemake,
)
from nmt_prune.experiments.execution.progress import Monitor
from nmt_prune.experiments.execution.training_log import last_error
from nmt_prune.experiments.planning.plan import Plan
from nmt_prune.experiments.planning.run_folder import check_all
from nmt_prune.files import read_json, trouble
from nmt_prune.processes import die_with_parent, exclusive

SNAKEFILE = Path(__file__).with_name("Snakefile")
LOG = "snakemake.log"
SECONDS_BETWEEN_LOOKS = 1.0
_PROBE = 1 << 16  # bytes: more than is left by what filled the disk


def run_plan(plan: Plan, cores: int | None = None, extra: Sequence[str] = (), executor: str = LOCAL) -> Path:
    """Trains and scores what is not done yet and writes the report.

    A runner that was killed at any time is started again by the same call: its processes end with it, finished runs
    are skipped and a partly trained one goes on from its last checkpoint.

    Args:
        plan: the plan.
        cores: most steps side by side; by default as many as there are cores, or GPUs for, and on a cluster all.
        extra: further arguments of Snakemake.
        executor: ``local``, or that of Snakemake which takes the steps to a cluster.

    Returns:
        The folder of the report.

    Raises:
        PruneError: a folder holds other runs than the plan's, another runner is at work there, the executor or the
            GPUs that the trainings want are not there, or a step failed.
    """
    check_executor(executor, plan, extra)
    plan = replace(plan, gpus=() if executor == LOCAL else None)
    folder = plan.places.runs
    with exclusive(plan.lock, str(folder), patience=5.0):
        check_all(plan.runs, plan.places)
        for run in plan.runs:
            if (plan.folder(run).path / "run.json").exists():
                plan.folder(run).describe(run, plan.places)
        steps = plan.steps()
        if steps or not _report_is_new(plan):
            _execute(*_placed(plan, steps, cores), steps, executor, extra)
    return folder / "report"


def _placed(plan: Plan, steps: Sequence[Mapping[str, Any]], cores: int | None) -> tuple[Plan, int]:
    """The plan with the GPUs that its steps may use, and how many steps may run side by side."""
    if plan.is_elsewhere:
        together = cores or max(1, len(steps))
        return replace(plan, slots=together), together
    gpus = visible_gpus()
    left = [plan.run(step["run"]) for step in steps]
    together = slots(left, gpus, cores, plan.trainings_per_gpu)
    return replace(plan, gpus=gpus, slots=together), together


def _report_is_new(plan: Plan) -> bool:
    marker = plan.reported
    newest = max(plan.folder(run).scores.stat().st_mtime for run in plan.runs if run.is_scored)
    is_there = marker.exists() and (plan.places.runs / "report/table.md").exists()
    is_new = is_there and marker.stat().st_mtime >= newest
    return is_new and Plan.published_in(plan.places.runs) == plan.published


def _execute(plan: Plan, cores: int, steps: Sequence[Mapping[str, Any]], executor: str, extra: Sequence[str]) -> None:
    folder = plan.places.runs
    shutil.rmtree(plan.failures, ignore_errors=True)
    for marker in (folder / ".data.done", plan.reported):
        marker.unlink(missing_ok=True)
    monitor = Monitor(plan)
    told: set[Path] = set()
    command = _command(plan.write(steps), cores, executor, extra)
    with _executor(command, folder / LOG) as process, open_display() as display:
        while process.poll() is None:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            display.show(monitor.look())
            _tell(plan.failures, told, display)
        display.say(str(monitor.look()))
    if (process.returncode or any(plan.failures.glob("*.json"))) and (refused := _refused(folder)):
        raise PruneError(f"{refused}, then repeat the command to go on from there")  # whatever else has come of it
    messages = [read_json(path) for path in sorted(plan.failures.glob("*.json"))]
    if messages:
        more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
        raise PruneError(f"{messages[0]}{more}; repeat the command to go on from there")
    if process.returncode:
        log = folder / LOG
        if ended := cluster_error(log):
            raise PruneError(f"{ended} (the log is {log}); repeat the command to go on from there")
        program = "Snakemake" if has_snakemake() else "the runner"
        raise PruneError(f"{program} failed: {last_error(log)}; the log is {log}")


def _refused(folder: Path) -> str | None:
    """What the system says to writing in a folder, and what to do, where it refuses."""
    try:
        with TemporaryFile(dir=folder) as file:
            file.write(bytes(_PROBE))
            file.flush()
    except OSError as error:
        return trouble(error, folder)
    return None


def _tell(failures: Path, told: set[Path], display: Display) -> None:
    for path in sorted(set(failures.glob("*.json")) - told):
        told.add(path)
        display.say(read_json(path))


def _command(plan_file: Path, cores: int, executor: str, extra: Sequence[str]) -> list[str]:
    if not has_snakemake():
        if extra:
            raise PruneError(
                f"{extra[0]} is for Snakemake, which is not installed: pip install 'nmt-prune[experiments]', or leave"
                " out what stands after --"
            )
        return [sys.executable, "-m", "nmt_prune.experiments.execution.local", str(plan_file), str(cores)]
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(SNAKEFILE), "--directory", str(plan_file.parent)]
    command += [*executor_arguments(executor, cores, extra), "--config", f"plan={plan_file}"]
    command += ["--keep-going", "--scheduler", "greedy"]
    # Locks and marks of unfinished work outlive a kill. The runner holds a lock of its own, which does not, and what a
    # step puts in place is always complete.
    return [*command, "--nolock", "--ignore-incomplete", "--rerun-triggers", "mtime", "--nocolor", *extra]


@contextmanager
def _executor(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Carries out the steps in the folder of the runs, and ends them with everything that they started."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    try:
        yield process
    finally:
        # Snakemake cancels cluster jobs when it is interrupted, so it is asked before it is forced.
        for request in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if process.poll() is None:
                os.killpg(process.pid, request)
                try:
                    process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    continue
