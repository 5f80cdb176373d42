"""``nmt-prune`` whose steps are forks of this process and not processes of their own, one after the other.

``python -m tests.experiments.one_process ARGUMENTS``, started by :mod:`tests.programs`, takes the arguments of
``nmt-prune``; a recipe of many tiny trainings does little else than starting Python. What runs is the same: the plan,
the steps, and the programs' own ``main`` with the arguments that they would be called with. Only Snakemake is left out.
"""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from nmt_prune.cli import main
from nmt_prune.errors import PruneError
from nmt_prune.experiments.execution import runner
from nmt_prune.experiments.planning.plan import Plan
from nmt_prune.files import read_json
from nmt_prune.processes import die_with_parent
from tests.data_prep.archives import use_sacrebleu
from tests.programs import become


class Forked(subprocess.Popen):
    """A process whose ``python -m MODULE ARGUMENTS`` is a fork of this one; with all else of its base class.

    Whoever starts processes, by ``subprocess.run`` or by itself, gets this.
    """

    def _execute_child(self, args: Any, executable: Any, preexec_fn: Any, *others: Any) -> None:
        if not isinstance(args, Sequence) or list(args[:2]) != [sys.executable, "-m"]:
            return super()._execute_child(args, executable, preexec_fn, *others)
        folder, environment = others[2:4]
        pipes = others[7:13]
        stdin, typed, _, stdout, _, stderr = pipes
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            die_with_parent()
            if folder is not None:
                os.chdir(folder)
            if stdin != -1:
                sys.stdin = os.fdopen(stdin, encoding="utf-8")
            if typed != -1:  # else this process waits for what it could type itself
                os.close(typed)
            outputs = [own if given == -1 else given for own, given in ((1, stdout), (2, stderr))]
            status = become(list(map(str, args[2:])), environment, outputs, preexec_fn)
            for worker in multiprocessing.active_children():  # else they hold the outputs open for seconds
                worker.terminate()
            os._exit(status)
        self._child_created = True
        self._close_pipe_fds(*pipes)


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
        patch.setattr(subprocess, "Popen", Forked)
        patch.setattr(runner, "_execute", in_turn)
        if "SACREBLEU" in os.environ:
            use_sacrebleu(Path(os.environ["SACREBLEU"]), patch)
        main()
