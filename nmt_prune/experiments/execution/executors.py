"""Where the steps of a plan run: on this machine, or wherever an executor of Snakemake takes them."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.experiments.planning.plan import Plan

LOCAL = "local"
SLURM = "slurm"

_RUN_NOTHING = ("dryrun", "touch")
_CHOOSE = ("--executor", "-e")
_REFUSAL = re.compile(r"sbatch failed\. The error message was '(.*?)'\.?$", re.DOTALL | re.MULTILINE)
_ENDED = re.compile(r"SLURM-job '(\d+)' failed, SLURM status is: '(\w+)'")


def has_snakemake() -> bool:
    """Whether Snakemake is installed."""
    return importlib.util.find_spec("snakemake") is not None


def check_executor(name: str, plan: Plan, extra: Sequence[str] = ()) -> None:
    """Checks that steps can be handed to an executor.

    Args:
        name: ``local``, or what Snakemake calls it.
        plan: what it is to carry out.
        extra: further arguments of Snakemake.

    Raises:
        PruneError: it is not installed, runs nothing, cannot submit from here or does not do what the recipe asks
            for, or the arguments name another.
    """
    if chosen := [argument for argument in extra if argument.split("=")[0] in _CHOOSE]:
        raise PruneError(f"{chosen[0]} stands after --, for Snakemake; put it before --, as nmt-prune's own option")
    if name == LOCAL:
        return
    if name in _RUN_NOTHING:
        raise PruneError(f"--executor {name} runs nothing; --dry-run shows the plan")
    package = "'nmt-prune[cluster]'" if name == SLURM else f"snakemake-executor-plugin-{name}"
    if not has_snakemake():
        raise PruneError(
            f"--executor {name} is Snakemake's, which is not installed: pip install 'nmt-prune[experiments]' {package}"
        )
    module = f"snakemake_executor_plugin_{name.replace('-', '_')}"
    if not module.isidentifier() or importlib.util.find_spec(module) is None:
        raise PruneError(f"--executor {name}: Snakemake's plugin for it is not installed: pip install {package}")
    if name == SLURM and shutil.which("sbatch") is None:
        raise PruneError("--executor slurm: no sbatch is found here; run the command where jobs are submitted")
    if plan.trainings_per_gpu > 1 and (plan.resources is None or plan.resources.gres is None):
        raise PruneError(
            f"gpu_share: with --executor {name} each training has GPUs of its own; ask for a share with resources.gres,"
            " e.g. shard:1, or remove it"
        )


def executor_arguments(name: str, jobs: int, extra: Sequence[str]) -> list[str]:
    """Snakemake's arguments that choose an executor.

    Args:
        name: see :func:`check_executor`.
        jobs: steps side by side.
        extra: the user's own arguments, which win.
    """
    if name == LOCAL:
        return ["--cores", str(jobs)]
    arguments = ["--executor", name, "--jobs", str(jobs), "--local-cores", "1"]
    if name == SLURM:
        arguments.append("--slurm-requeue")
        if not _gives("--slurm-status-command", extra) and not _has_accounting():
            arguments += ["--slurm-status-command", "squeue"]
    return arguments


def _gives(flag: str, extra: Collection[str]) -> bool:
    return any(argument.split("=")[0] == flag for argument in extra)


def _has_accounting() -> bool:
    """Whether ``sacct``, by which the plugin follows its jobs, has anything to read."""
    try:
        return subprocess.run(["sacct", "--noheader", "--user", "root"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def cluster_error(log: Path) -> str | None:
    """What a cluster has said of a job that it did not take, or ended, in Snakemake's log."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    if refusals := _REFUSAL.findall(text):
        reason = "; ".join(line.removeprefix("sbatch: error: ").strip() for line in refusals[-1].splitlines())
        return f"SLURM does not take the job: {reason}; mend the recipe's resources"
    if ends := _ENDED.findall(text):
        job, state = ends[-1]
        return f"SLURM ended job {job}: {state}"
    return None
