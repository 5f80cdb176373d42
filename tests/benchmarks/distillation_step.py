"""A training step with a teacher of the student's size, against the same step without one."""

import copy
import statistics
from functools import partial
from typing import Any

from tests.benchmarks.reporting import report
from tests.benchmarks.trainers import build_trainer, random_batch
from tests.benchmarks.training_step import MODELS, alternate, process_seconds, ratios

ROUNDS = {"small (128 wide, 2+2, 4 k)": 12, "base (512 wide, 6+6, 33 k)": 4}
SENTENCES = 10
"""Of the batches of the step under masks, so that all is done in less than three minutes."""
WAYS = {"words": (), "words and hidden states": ("--teacher-hidden", "1")}


def run() -> None:
    """Measures all models."""
    report(
        "distillation_step",
        "Training step with a teacher of the student's size against the step without one",
        ["model", "tokens", "plain s", "learned", "taught s", "ratio", "quartiles"],
        [row for name, settings in MODELS.items() for row in _measure(name, **settings)],
        "Seconds of CPU time per step (forward, backward, clipping, Adam), medians, in turn on one batch; ratio: taught"
        " / plain, median over rounds, and its quartiles.",
    )


def _measure(name: str, sizes: dict[str, int], batch: dict[str, int], rounds: int) -> list[dict[str, Any]]:
    batch, rounds = {**batch, "sentences": SENTENCES}, ROUNDS[name]
    flags = [f"--{side}-{flag}={value}" for side in ("encoder", "decoder") for flag, value in sizes.items()]
    flags += ["--task", "translation", "--arch", "transformer"]
    plain = build_trainer(batch["vocabulary"], *flags)
    teacher = copy.deepcopy(plain.model).eval().requires_grad_(False)
    trainers = [plain]
    for own in WAYS.values():
        distilled = ("--criterion", "distilled_cross_entropy", "--teacher", "the-one-below", *own)
        trainers.append(build_trainer(batch["vocabulary"], *flags, *distilled))
        trainers[-1].criterion._teachers = [teacher]
    sample = random_batch(**batch)
    steps = [partial(trainer.train_step, [sample]) for trainer in trainers]
    seconds, *taught = alternate(steps, rounds, process_seconds)
    rows = []
    for way, each in zip(WAYS, taught, strict=True):
        lower, middle, upper = statistics.quantiles(ratios(each, seconds), n=4, method="inclusive")
        rows.append(
            {
                "model": name,
                "tokens": int(sample["ntokens"]),
                "plain s": statistics.median(seconds),
                "learned": way,
                "taught s": statistics.median(each),
                "ratio": middle,
                "quartiles": f"{lower:.3f} to {upper:.3f}",
                "rounds": list(zip(seconds, each, strict=True)),
            }
        )
    return rows
