"""``nmt-prune`` as the soak runs it: ``python -m tests.soak.command ARGUMENTS``, started by :mod:`tests.programs`.

Runner, steps and programs are the processes that they always are, forks in place of new Pythons, and each says in which
phase it is. Snakemake alone is left out, for the executor that stands in for it where it is not installed.
"""

import fcntl
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fairseq import checkpoint_utils
from fairseq.trainer import Trainer

from nmt_prune import files
from nmt_prune.cli import main
from nmt_prune.evaluation import report, scoring
from nmt_prune.experiments.execution import runner
from nmt_prune.tasks import translation_pruning
from nmt_prune.tasks.mask_changes import MaskChanges
from tests import forking
from tests.soak.stage import Stage, of_environment

_CLI = {
    "data": "data preparation",
    "score": "scoring",
    "report": "report",
    "pack": "packing",
    "mask": "mask file",
    "translate": "translating",
    "run": "start",
}


def phase_of(words: Sequence[str]) -> str | None:
    """The phase that a program begins; None where it is a part of that of its parent."""
    module, *arguments = words
    if module in ("nmt_prune.cli", "tests.soak.command"):
        return _CLI.get(arguments[0])
    if module == "fairseq_cli.train":
        last = Path(arguments[arguments.index("--save-dir") + 1]) / "checkpoint_last.pt"
        return "rung change" if "--mask-from" in arguments and not last.exists() else "start of a training"
    return {"nmt_prune.experiments.execution.step": "between steps"}.get(module)


def install(stage: Stage) -> None:
    """Has programs say where they are."""

    def begin(words: Sequence[str]) -> None:
        if (phase := phase_of(words)) is not None:
            stage.enter(phase)

    def note_update(trainer: Any, *_: Any) -> None:
        stage.note("update", Path(trainer.cfg.checkpoint.save_dir).name, trainer.get_num_updates())

    def note_save(settings: Any, trainer: Any, *_: Any) -> None:
        stage.note("saved", Path(settings.save_dir).name, trainer.get_num_updates())

    forking.began.append(begin)
    forking.kept.add(stage.log)
    stage.before(Trainer, "train_step", "training")
    stage.after(Trainer, "train_step", note_update)
    stage.before(Trainer, "begin_valid_epoch", "validation")
    stage.after(checkpoint_utils, "save_checkpoint", note_save)
    stage.around(checkpoint_utils, "save_checkpoint", "saving")
    stage.around(translation_pruning, "write_rewind_point", "saving")
    stage.around(MaskChanges, "make", "mask change")
    write_json = files.write_json

    def write(path: Path | str, value: Any) -> None:
        if Path(path).name != "trained.json":
            write_json(path, value)
            return
        with stage.within("marking"):
            write_json(path, value)

    files.write_json = write


def set_the_clock(days: float) -> None:
    """Has the clock of these processes be wrong."""
    right = time.time
    time.time = lambda: right() + 86400 * days


if __name__ == "__main__":
    os.setsid()
    stage = of_environment(os.environ)
    # Held as long as any process of the command lives.
    alive = os.open(os.environ["SOAK_ALIVE"], os.O_RDWR | os.O_CREAT)
    fcntl.flock(alive, fcntl.LOCK_EX)
    forking.kept.add(alive)
    subprocess.Popen = forking.ForkingPopen  # type: ignore[misc]
    runner.has_snakemake = lambda: False
    runner.SECONDS_BETWEEN_LOOKS = 0.05
    scoring.measure_costs = lambda *_: None  # they are times, of which no two are equal
    report.measure_speeds = lambda *_: ({}, ())
    install(stage)
    if "SOAK_CLOCK" in os.environ:
        set_the_clock(float(os.environ["SOAK_CLOCK"]))
    if "SOAK_LARGEST" in os.environ:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ["SOAK_LARGEST"]), resource.RLIM_INFINITY))
    stage.enter(phase_of(["tests.soak.command", *sys.argv[1:]]) or "start")
    main()
