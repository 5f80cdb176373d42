"""One step of a plan, as the runner's executor starts it: ``python -m ...execution.step PLAN STEP [RUN]``."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.experiments.execution.devices import ON_CPU, environment
from nmt_prune.experiments.execution.stop_requests import Requests, Requeued, Stopped, begin_deaf, listening
from nmt_prune.experiments.execution.training_log import last_error, read_tail
from nmt_prune.experiments.planning.commands import (
    data_command,
    is_quantized,
    quantize_command,
    report_command,
    run_command,
    score_command,
    transfer_commands,
)
from nmt_prune.experiments.planning.plan import Plan
from nmt_prune.experiments.planning.run_folder import check_trained
from nmt_prune.experiments.recipe.sections import gpus_wanted
from nmt_prune.files import trouble, write_json
from nmt_prune.processes import HAS_STOPPED, STOPPED, die_with_parent, exclusive, processor_time
from nmt_prune.versions import git_state, versions

# How long a run or a GPU may still be held by the processes of a runner that was just killed.
PATIENCE = 20.0


def main() -> None:
    """Does the step; a failure is noted for the runner and ends with exit status 1."""
    die_with_parent()
    plan_file, step, *names = sys.argv[1:]
    plan = Plan.read(Path(plan_file))
    os.chdir(plan.start)
    plan.failure(step, *names).unlink(missing_ok=True)  # of an attempt before this one
    try:
        if step == "train":
            train(plan, names[0])
        elif step == "score":
            score(plan, names[0])
        elif step == "report":
            execute(report_command(plan.places), plan.places.runs / "report.log")
        else:
            prepare(plan)
    except Requeued:
        raise SystemExit(STOPPED) from None
    except PruneError as error:
        message = f"{' '.join([step, *names])} {'' if isinstance(error, Stopped) else 'failed: '}{error}"
        with suppress(PruneError):  # on a full disk Snakemake's output has to do
            write_json(plan.failure(step, *names), message)
        raise SystemExit(message) from error
    except OSError as error:  # a log or a folder that cannot be written
        raise SystemExit(f"Error: {' '.join([step, *names])} failed: {trouble(error)}") from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def prepare(plan: Plan) -> None:
    """Prepares the corpora of all runs.

    Raises:
        PruneError: one of them cannot be prepared.
    """
    if plan.data_is_given:
        return
    corpora = {plan.places.data_of(run.settings["corpus"]): run.settings["corpus"] for run in plan.runs}
    for corpus in corpora.values():
        execute(data_command(corpus, plan.places), plan.places.runs / "data.log")


def train(plan: Plan, name: str) -> None:
    """Trains a run (or searches, or prunes), or goes on where it was, and marks it as trained.

    Raises:
        PruneError: the command failed, or the scheduler stopped it.
        Requeued: the scheduler stopped it and will start the step again.
    """
    run = plan.run(name)
    folder = plan.folder(run)
    wanted = gpus_wanted(run.settings["training"])
    with (
        exclusive(folder.lock, f"run {name}", PATIENCE),
        environment(wanted, plan.gpus, plan.gpu_locks, PATIENCE, plan.trainings_per_gpu) as variables,
        listening(plan.is_elsewhere, together=run.step == "train" and wanted > 1) as requests,
    ):
        check_trained(run, plan.places)
        folder.describe(run, plan.places)
        repaired = folder.repair_checkpoint()
        if repaired:
            with folder.log.open("a", encoding="utf-8") as log:
                log.write(f"{repaired}\n")
        for command in transfer_commands(run, plan.places) if "transfer" in run.settings else ():
            execute(command, folder.log)
        is_resumed = (folder.path / "checkpoint_last.pt").exists()
        source = {"versions": versions(), "git": git_state()}  # as it is now: files may change while a model is trained
        start, cpu = time.perf_counter(), processor_time()
        execute(run_command(run, plan.places), folder.log, variables, requests)
        made = {
            "last_update": run.last_update,
            "seconds": round(time.perf_counter() - start, 2),
            "cpu_seconds": round(processor_time() - cpu, 2),
            "is_resumed": is_resumed,  # what came before a kill is not among the seconds
            **source,
        }
        write_json(folder.trained, made)


def score(plan: Plan, name: str) -> None:
    """Translates and scores with a run's best checkpoint, quantized if that is what it was trained for.

    Raises:
        PruneError: the scoring failed.
    """
    run = plan.run(name)
    folder = plan.folder(run)
    wanted = min(1, gpus_wanted(run.settings["training"]))
    with exclusive(folder.lock, f"run {name}", PATIENCE):
        if is_quantized(run):
            execute(quantize_command(run, plan.places), folder.score_log)
        with environment(wanted, plan.gpus, plan.gpu_locks, PATIENCE, plan.trainings_per_gpu) as variables:
            execute(score_command(run, plan.places), folder.score_log, variables)


def execute(
    command: list[str], log: Path, variables: Mapping[str, str] = ON_CPU, requests: Requests | None = None
) -> None:
    """Runs a command with some environment variables set; its output is appended to a log.

    Args:
        command: the command.
        log: the log.
        variables: the environment variables.
        requests: what a scheduler asks of a training; None for a command that cannot save.

    Raises:
        PruneError: the command failed; the message has its last error line and the log's path.
        Requeued: see :meth:`Requests.answer`.
        Stopped: likewise, or a signal of the scheduler has ended it before it could save.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        start = output.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **variables},
            preexec_fn=begin_deaf if requests else die_with_parent,
        )
        status = requests.wait(process) if requests else process.wait()
    if requests and (status == STOPPED or (status and HAS_STOPPED in read_tail(log, start))):
        requests.answer()  # of processes that train together only the log says it: fairseq's own ends with status 1
    if requests and -status in requests.came:
        raise Stopped(f"stopped by {signal.Signals(-status).name} before it could save; the log is {log}")
    if -status == signal.SIGKILL:
        raise PruneError(f"killed by SIGKILL, as the system does when memory runs out; the log is {log}")
    if status < 0:
        raise PruneError(f"killed by {signal.Signals(-status).name}; the log is {log}")
    if status > 0:
        raise PruneError(f"{last_error(log, start)}; the log is {log}")


if __name__ == "__main__":
    main()
