"""``nmt-prune`` whose steps are forks of this process and not processes of their own, one after the other.

``python -m tests.experiments.one_process ARGUMENTS`` takes the arguments of ``nmt-prune``. Starting Python with fairseq
takes seconds, and a recipe of many tiny trainings does little else. What runs is the same: the plan, the steps, and the
programs' own ``main`` with the arguments that they would be called with. Only Snakemake is left out.
"""

import importlib
import io
import logging
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

import pytest

from nmt_prune.cli import main
from nmt_prune.errors import PruneError
from nmt_prune.experiments import runner
from nmt_prune.experiments.plan import Plan
from nmt_prune.files import read_json

# What the programs import, the slowest of it only when they need it.
COMMON = (
    *("fairseq_cli.generate", "fairseq_cli.preprocess", "fairseq_cli.train", "matplotlib.pyplot", "torch._dynamo"),
    *("nmt_prune.models.masked_transformer", "nmt_prune.models.shrunk_transformer", "nmt_prune.tasks.dev_set"),
    *("nmt_prune.tasks.scaled_adafactor", "nmt_prune.tasks.translation_pruning"),
    *("nmt_prune.evaluation.report", "nmt_prune.evaluation.scoring", "nmt_prune.models.programs.translation_speed"),
)

_START = subprocess.run


def run_forked(
    command: Sequence[str],
    *,
    stdout: Any = None,
    stderr: Any = None,
    env: Mapping[str, str] | None = None,
    capture_output: bool = False,
    text: bool = False,
    preexec_fn: Callable[[], None] | None = None,
    **others: Any,
) -> subprocess.CompletedProcess:
    """``subprocess.run`` for ``python -m MODULE ARGUMENTS``, without starting Python anew."""
    if list(command[:2]) != [sys.executable, "-m"]:
        settings = {"env": env, "capture_output": capture_output, "text": text, "preexec_fn": preexec_fn, **others}
        return _START(command, **settings, **({} if capture_output else {"stdout": stdout, "stderr": stderr}))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        outputs = (out, err) if capture_output else (stdout, out if stderr is None else stdout)
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            os._exit(_become(command[2:], env, outputs, preexec_fn))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said = [_read(file) for file in (out, err)] if capture_output else [None, None]
    return subprocess.CompletedProcess(command, status, *said)


def _become(
    arguments: Sequence[str], env: Mapping[str, str] | None, outputs: tuple[IO, IO], prepare: Callable[[], None] | None
) -> int:
    """Runs a module as the main program of this process; its exit status."""
    if prepare is not None:
        prepare()
    for number, file in enumerate(outputs, start=1):
        os.dup2(file.fileno(), number)
    if env is not None:
        os.environ.clear()
        os.environ.update(env)
    sys.argv = list(arguments)
    logging.getLogger().handlers.clear()  # each program says how it logs, and the first to do so would decide
    logging.getLogger().setLevel(logging.WARNING)
    try:
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
        status: Any = 0
    except SystemExit as stop:
        status = stop.code
    except BaseException:
        traceback.print_exc()
        status = 1
    if isinstance(status, str):
        print(status, file=sys.stderr)
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return int(status or 0)


def _read(file: IO) -> str:
    file.seek(0)
    return io.TextIOWrapper(file, encoding="utf-8", errors="replace").read()


def in_turn(plan: Plan, cores: int, extra: Sequence[str]) -> None:
    """What the runner has Snakemake do, one step after the other."""
    path = str(plan.write())
    steps = [["data"]]
    for step in plan.steps():
        steps += [[name, step["run"]] for name in ("train", "score") if step[name]]
    for step in [*steps, ["report"]]:
        command = [sys.executable, "-m", "nmt_prune.experiments.step", path, *step]
        if subprocess.run(command, stdout=sys.stderr).returncode:
            raise PruneError(read_json(plan.failure(*step)))


if __name__ == "__main__":
    for name in COMMON:
        importlib.import_module(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "run", run_forked)
        patch.setattr(runner, "_execute", in_turn)
        main()
