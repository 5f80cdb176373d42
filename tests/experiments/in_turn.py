"""``nmt-prune`` with its steps as forks, one after the other: what :mod:`tests.experiments.one_process` starts."""

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
from nmt_prune.measuring import turns
from nmt_prune.processes import die_with_parent
from tests import forking
from tests.data_prep.archives import use_sacrebleu

SHORTER = 0.02  # how long speeds are measured, of what is usual: how exact they are, nothing here asks
_in_turns = turns.in_turns


def in_short_turns(systems: Sequence[Any], batches: Sequence[Any], enough: float, shortest: float = 0) -> turns.Turns:
    """Measures for a shorter time than is asked."""
    return _in_turns(systems, batches, SHORTER * enough, SHORTER * shortest)


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


def start() -> None:
    """``nmt-prune`` with the arguments of this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", forking.ForkingPopen)
        patch.setattr(forking, "began", [lambda words: die_with_parent()])
        patch.setattr(runner, "_execute", in_turn)
        patch.setattr(turns, "in_turns", in_short_turns)
        if "SACREBLEU" in os.environ:
            use_sacrebleu(Path(os.environ["SACREBLEU"]), patch)
        main()
