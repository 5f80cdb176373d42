"""``nmt-prune`` whose Snakemake asks SLURM every second: by itself it waits longer from one look to the next.

``python -m tests.experiments.execution.impatient ARGUMENTS`` takes the arguments of ``nmt-prune``.
"""

import sys

import pytest
import snakemake_executor_plugin_slurm as plugin
from snakemake.cli import main as snakemake

from nmt_prune.cli import main
from nmt_prune.experiments.execution import runner

SNAKEMAKE = "snakemake"
_command = runner._command


def impatient(*arguments: object) -> list[str]:
    """The command of the runner, with this file in place of Snakemake."""
    python, flag, module, *words = _command(*arguments)
    assert (flag, module) == ("-m", SNAKEMAKE)
    return [python, flag, "tests.experiments.execution.impatient", SNAKEMAKE, *words]


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        if sys.argv[1] == SNAKEMAKE:
            del sys.argv[1]
            every_second = property(lambda executor: 1, lambda executor, seconds: None)
            patch.setattr(plugin.Executor, "next_seconds_between_status_checks", every_second, raising=False)
            snakemake()
        else:
            patch.setattr(runner, "_command", impatient)
            main()
