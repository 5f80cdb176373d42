"""Programs (``python -m MODULE ARGUMENTS``) that start at once.

Starting Python with torch and fairseq takes four seconds of a core, a tiny training tenths of one. Here each program is
a fork of a server that did nothing but import what programs import. What runs is the same: a process of its own, with
the arguments, the environment and the output of its own, and the module as its main program.
"""

import gc
import logging
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from nmt_prune.processes import die_with_parent

REPOSITORY = Path(__file__).parents[1]
LONGEST = 3000  # seconds of a program, on a machine that others use too
_PYTHON = sys.executable
# The slowest of it: programs import it only when they need it.
COMMON = (
    "tests.ended_with_parent",
    *("fairseq_cli.generate", "fairseq_cli.preprocess", "fairseq_cli.train", "matplotlib.pyplot", "torch._dynamo"),
    *("nmt_prune.models.masked_transformer", "nmt_prune.models.shrunk_transformer", "nmt_prune.measuring.dev_set"),
    "nmt_prune.criterions.distilled_cross_entropy",
    *("nmt_prune.optimizers.cyclic_rewarm", "nmt_prune.optimizers.scaled_adafactor"),
    "nmt_prune.tasks.translation_pruning",
    *("nmt_prune.evaluation.report", "nmt_prune.evaluation.scoring", "nmt_prune.measuring.translation_speed"),
    "tests.warm_fairseq",
)


def start(
    module: str,
    arguments: Sequence[object],
    output: Path,
    errors: Path | None = None,
    folder: Path = REPOSITORY,
    environment: Mapping[str, str] | None = None,
    typed: Path | None = None,
) -> BaseProcess:
    """Starts a program.

    Args:
        module: what to run.
        arguments: its arguments.
        output: file of what it prints.
        errors: file of what it prints on stderr; ``output`` by default.
        folder: where it runs.
        environment: its environment variables; by default those of this process, and one thread.
        typed: file of what it reads on stdin; nothing by default.
    """
    files = (output, output if errors is None else errors)
    variables = {**os.environ, "OMP_NUM_THREADS": "1"} if environment is None else environment
    command = [module, *map(str, arguments)]
    process = server().Process(target=_main, args=(command, dict(variables), files, folder, typed))
    process.start()
    return process


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    input: str | None = None,
    **settings: Any,
) -> subprocess.CompletedProcess[str]:
    """Stands in for ``subprocess.run`` that captures text; starts ``[sys.executable, "-m", MODULE, ...]`` at once."""
    if list(command[:2]) != [_PYTHON, "-m"]:
        return subprocess.run(command, env=env, cwd=cwd, input=input, **settings)
    with tempfile.TemporaryDirectory() as name:
        files = [Path(name) / stream for stream in ("stdout", "stderr")]
        typed = Path(name) / "stdin"
        typed.write_text(input or "", encoding="utf-8")
        process = start(command[2], command[3:], *files, cwd or Path.cwd(), env, typed)
        process.join(LONGEST)
        process.kill()  # unless it has ended
        process.join()
        said = [file.read_text(encoding="utf-8", errors="replace") for file in files]
    return subprocess.CompletedProcess(command, process.exitcode, *said)


@cache
def server() -> ForkServerContext:
    """The server, started. A process has one alone, and whoever starts it decides what it has imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(COMMON))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")])))
        patch.setenv("OMP_NUM_THREADS", "1")
        forkserver.ensure_running()
    return context


def _main(
    command: Sequence[str],
    environment: Mapping[str, str],
    files: Sequence[Path],
    folder: Path,
    typed: Path | None,
) -> None:
    die_with_parent()
    tests = multiprocessing.parent_process()
    if tests is None or not tests.is_alive():  # they ended before this process could ask for its own end
        return
    multiprocessing.set_start_method(None, force=True)  # as in any program, not by this server
    if typed is not None:
        sys.stdin = typed.open(encoding="utf-8")
    os.chdir(folder)
    sys.exit(become(command, environment, [os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND) for file in files]))


def hurry() -> None:
    """Leaves out what takes a noticeable part of a tiny training, and of no other."""
    # What was imported need not be searched for garbage, which would also copy the memory that forks share.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    # Without a GPU torch remembers for each seed, one per update, who set it, should a GPU be asked for later.
    for device in (torch.cuda, torch.xpu, torch.mtia):
        device.traceback = SimpleNamespace(format_stack=list)  # type: ignore[attr-defined]
    # Which form of a weight is fastest is measured on each new machine, for each instruction set: here any will do.
    with suppress(ImportError):  # the engine is not built
        from nmt_prune.runtime import product_times

        product_times.SHAPE, product_times.BYTES, product_times.ROUNDS = (1024, 512), 1 << 20, 1


def become(
    command: Sequence[str],
    environment: Mapping[str, str] | None,
    outputs: Sequence[int],
    prepare: Callable[[], None] | None = None,
) -> int:
    """Runs a module as the main program of this process.

    Args:
        command: the module and its arguments.
        environment: all environment variables; None leaves them.
        outputs: file descriptors that become stdout and stderr.
        prepare: is called first.

    Returns:
        The exit status.
    """
    hurry()
    if prepare is not None:
        prepare()
    for number, output in enumerate(outputs, start=1):
        os.dup2(output, number)
    if environment is not None:
        os.environ.clear()
        os.environ.update(environment)
    sys.argv = list(command)
    logging.getLogger().handlers.clear()  # each program says how it logs, and the first to do so would decide
    logging.getLogger().setLevel(logging.WARNING)
    try:
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)
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
