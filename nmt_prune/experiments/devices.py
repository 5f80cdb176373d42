"""Where trainings run: on cores of a CPU, or each on GPUs of its own."""

import os
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.experiments.run_plan import Run, gpus_wanted
from nmt_prune.processes import exclusive

VISIBLE = "CUDA_VISIBLE_DEVICES"
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# glibc by default returns large blocks to the kernel after every update, and takes a sixth of a small training's time.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "2000000000", "MALLOC_TRIM_THRESHOLD_": "8000000000"}
# One thread each: trainings side by side use the cores better than one training with two threads.
ON_CPU = {**dict.fromkeys(_THREADS, "1"), **KEEP_MEMORY}


def visible_gpus() -> tuple[str, ...]:
    """The GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` calls them."""
    import torch

    count = torch.cuda.device_count()
    named = [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
    return tuple(named[:count] or map(str, range(count)))


def slots(runs: Collection[Run], gpus: Collection[str], cores: int | None) -> int:
    """Steps that may run side by side: one per core, or as many as find GPUs.

    Args:
        runs: the runs of a plan.
        gpus: the GPUs of this machine.
        cores: the most that is wanted; None is no limit of the user's.

    Raises:
        PruneError: the trainings want GPUs that are not there.
    """
    wanted = max((gpus_wanted(run.settings["training"]) for run in runs), default=0)
    if wanted and gpus:
        if len(gpus) < wanted:
            raise PruneError(
                f"training.distributed-world-size {wanted}: only {len(gpus)} GPUs are visible here; set it to"
                f" {len(gpus)} and raise update-freq by as much as it falls"
            )
        return min(cores or len(gpus), len(gpus) // wanted)
    if wanted > 1:
        raise PruneError(f"training.distributed-world-size {wanted}: no GPU is visible here; remove it")
    halves = {run.settings["precision"] for run in runs} - {"fp32"}
    if wanted and halves:
        raise PruneError(
            f"precision {min(halves)}: no GPU is visible here; run it where there is one, or use precision: fp32"
        )
    return cores or os.cpu_count() or 1


@contextmanager
def environment(
    wanted: int, gpus: tuple[str, ...] | None, locks: Path, patience: float = 0.0
) -> Iterator[dict[str, str]]:
    """Environment variables of a step.

    Args:
        wanted: GPUs that it needs; 0 keeps it off them.
        gpus: the GPUs that the steps of this runner share; None leaves them to a cluster's scheduler.
        locks: folder of the locks that keep steps off each other's GPUs.
        patience: seconds to wait for a GPU.

    Raises:
        PruneError: too few GPUs are free.
    """
    if not wanted:
        yield {**ON_CPU, VISIBLE: ""}
    elif gpus is None:
        yield {}
    elif not gpus:
        yield ON_CPU
    else:
        # Snakemake, too, sets a step to one thread; here every GPU has its share of the cores.
        threads = str(max(1, (os.cpu_count() or 1) // len(gpus)))
        with _lease(wanted, gpus, locks, time.monotonic() + patience) as leased:
            yield {VISIBLE: ",".join(leased), **dict.fromkeys(_THREADS, threads)}


@contextmanager
def _lease(wanted: int, gpus: tuple[str, ...], locks: Path, deadline: float) -> Iterator[tuple[str, ...]]:
    """Holds GPUs that no other step of this runner holds."""
    while True:
        with ExitStack() as stack:
            leased: list[str] = []
            for gpu in gpus:
                if len(leased) < wanted and _hold(stack, locks / f"{gpu.replace('/', '_')}.lock"):
                    leased.append(gpu)
            if len(leased) == wanted:
                yield tuple(leased)
                return
        if time.monotonic() >= deadline:
            raise PruneError(f"{len(leased)} of the GPUs {', '.join(gpus)} are free and {wanted} are needed")
        time.sleep(0.2)


def _hold(stack: ExitStack, lock: Path) -> bool:
    try:
        stack.enter_context(exclusive(lock, lock.stem))
    except PruneError:
        return False
    return True
