"""``nmt-prune`` whose steps are forks of this process and not processes of their own, one after the other.

``python -m tests.experiments.one_process ARGUMENTS``, started by :mod:`tests.programs`, takes the arguments of
``nmt-prune``; a recipe of many tiny trainings does little else than starting Python. What runs is the same: the plan,
the steps, and the programs' own ``main`` with the arguments that they would be called with. Only Snakemake is left out.
"""

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pytest

from nmt_prune.cli import main
from nmt_prune.errors import PruneError
from nmt_prune.experiments.execution import runner
from nmt_prune.experiments.planning.plan import Plan
from nmt_prune.files import read_json
from nmt_prune.processes import die_with_parent
from tests.data_prep.archives import use_sacrebleu
from tests.programs import become

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
    input: str | None = None,
    **others: Any,
) -> subprocess.CompletedProcess:
    """``subprocess.run`` for ``python -m MODULE ARGUMENTS``, without starting Python anew."""
    if list(command[:2]) != [sys.executable, "-m"]:
        settings = {"env": env, "capture_output": capture_output, "text": text, "preexec_fn": preexec_fn, **others}
        if input is not None:
            settings["input"] = input
        return _START(command, **settings, **({} if capture_output else {"stdout": stdout, "stderr": stderr}))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        outputs = (out, err) if capture_output else (stdout, out if stderr is None else stdout)
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            die_with_parent()
            if input is not None:
                sys.stdin = io.StringIO(input)
            os._exit(become(command[2:], env, [file.fileno() for file in outputs], preexec_fn))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said = [_read(file) for file in (out, err)] if capture_output else [None, None]
    return subprocess.CompletedProcess(command, status, *said)


def _read(file: IO) -> str:
    file.seek(0)
    return io.TextIOWrapper(file, encoding="utf-8", errors="replace").read()


def in_turn(plan: Plan, cores: int, left: Sequence[Mapping[str, Any]], executor: str, extra: Sequence[str]) -> None:
    """What the runner has Snakemake do, one step after the other."""
    path = str(plan.write(left))
    steps = [["data"]]
    for step in left:
        steps += [[name, step["run"]] for name in ("train", "score") if step[name]]
    for step in [*steps, ["report"]]:
        command = [sys.executable, "-m", "nmt_prune.experiments.execution.step", path, *step]
        if subprocess.run(command, stdout=sys.stderr).returncode:
            raise PruneError(read_json(plan.failure(*step)))


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "run", run_forked)
        patch.setattr(runner, "_execute", in_turn)
        if "SACREBLEU" in os.environ:
            use_sacrebleu(Path(os.environ["SACREBLEU"]), patch)
        main()
