"""Carries out a plan where Snakemake is not installed: ``python -m nmt_prune.experiments.execution.local PLAN CORES``.

Steps, order and markers are those of the Snakefile. A printed script of the commands would be no simpler: it would
train one after the other, or wait for parents, failures and free GPUs in shell.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt_prune.files import read_json
from nmt_prune.processes import die_with_parent

SECONDS_BETWEEN_LOOKS = 0.1


@dataclass(frozen=True)
class Step:
    """A step of the plan: the arguments of ``nmt_prune.experiments.execution.step``.

    Attributes:
        words: its name and, if it has one, its run.
        needs: steps that must be done before.
        priority: which of several goes first.
    """

    words: tuple[str, ...]
    needs: frozenset[tuple[str, ...]]
    priority: int = 0


def steps(plan: Mapping[str, Any]) -> Iterator[Step]:
    """The steps that are left: data, trainings, scores, and the report when all of them are done."""
    yield Step(("data",), frozenset())
    trained = {step["run"] for step in plan["steps"] if step["train"]}
    words: set[tuple[str, ...]] = {("data",)}
    for step in plan["steps"]:
        train, score = ("train", step["run"]), ("score", step["run"])
        if step["train"]:
            parents = {("train", name) for name in step["after"] if name in trained}
            yield Step(train, frozenset(parents | {("data",)}), step["priority"])
            words.add(train)
        if step["score"]:
            # As soon as there is something to score, so that results come one by one.
            urgent = 1 + max(one["priority"] for one in plan["steps"])
            yield Step(score, frozenset([train] if step["train"] else []), urgent)
            words.add(score)
    yield Step(("report",), frozenset(words))


def carry_out(plan_file: Path, cores: int) -> int:
    """Starts every step as soon as it may be, up to ``cores`` together; what needs no failed one goes on.

    Returns:
        The exit status: 0 if all are done.
    """
    waiting, running = list(steps(read_json(plan_file))), dict[Step, subprocess.Popen[bytes]]()
    done: set[tuple[str, ...]] = set()
    while True:
        ready = sorted((step for step in waiting if step.needs <= done), key=lambda step: -step.priority)
        for step in ready[: cores - len(running)]:
            waiting.remove(step)
            command = [sys.executable, "-m", "nmt_prune.experiments.execution.step", str(plan_file), *step.words]
            running[step] = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        if not running:
            return int(bool(waiting) or ("report",) not in done)
        time.sleep(SECONDS_BETWEEN_LOOKS)
        for step in [step for step, process in running.items() if process.poll() is not None]:
            if running.pop(step).returncode == 0:
                done.add(step.words)
                if len(step.words) == 1:
                    (plan_file.parent / f".{step.words[0]}.done").touch()


if __name__ == "__main__":
    die_with_parent()
    sys.exit(carry_out(Path(sys.argv[1]), int(sys.argv[2])))
