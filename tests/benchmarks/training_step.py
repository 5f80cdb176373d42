"""A training step under masks, against the same step of the stock Transformer.

The trainers stand in one process and take turns on one batch, so that what else the machine does meets all alike; each
round gives one ratio. On a shared machine two equal steps differ by several per cent: a second stock trainer, built
last like the masked one, says how much. What masking adds is also timed inside the masked steps: a share of the very
step that it is part of.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fairseq.trainer import Trainer

from tests.benchmarks.reporting import report
from tests.benchmarks.trainers import build_trainer, random_batch

SPARSITY = 0.9
WARM_UP = 2

MODELS: dict[str, dict[str, Any]] = {
    "small (128 wide, 2+2, 4 k)": {
        "sizes": {"embed-dim": 128, "ffn-embed-dim": 512, "layers": 2, "attention-heads": 4},
        "batch": {"vocabulary": 4_000, "sentences": 75, "length": 24},
        "rounds": 100,
    },
    "base (512 wide, 6+6, 33 k)": {
        "sizes": {"embed-dim": 512, "ffn-embed-dim": 2048, "layers": 6, "attention-heads": 8},
        "batch": {"vocabulary": 33_000, "sentences": 40, "length": 25},
        "rounds": 16,
    },
}


def run() -> None:
    """Measures all models."""
    report(
        "training_step",
        f"Training step of masked_transformer at {SPARSITY:.0%} sparsity against the stock transformer",
        ["model", "tokens", "stock s", "masked s", "ratio", "quartiles", "control", "masking inside", "progress line"],
        [_measure(name, **settings) for name, settings in MODELS.items()],
        "Seconds of CPU time per step (forward, backward, clipping, Adam), medians; ratio: masked / stock, median over"
        " rounds, and its quartiles; control: stock / stock. Masking inside: share of a masked step; progress line: its"
        " statistics, once per --log-interval, as a share of one step. Goal: ratio at most 1.02.",
    )


def _measure(name: str, sizes: dict[str, int], batch: dict[str, int], rounds: int) -> dict[str, Any]:
    flags = [f"--{side}-{flag}={value}" for side in ("encoder", "decoder") for flag, value in sizes.items()]
    stock = build_trainer(batch["vocabulary"], "--task", "translation", "--arch", "transformer", *flags)
    masked = build_trainer(
        batch["vocabulary"],
        *("--task", "translation_pruning", "--arch", "masked_transformer", "--sparsity", str(SPARSITY)),
        *flags,
    )
    again = build_trainer(batch["vocabulary"], "--task", "translation", "--arch", "transformer", *flags)
    sample = random_batch(**batch)
    masking_seconds = _time_masking(masked)
    steps = [partial(trainer.train_step, [sample]) for trainer in (stock, masked, again)]
    stock_seconds, masked_seconds, again_seconds = alternate(steps, rounds, process_seconds)
    inside = [part / whole for part, whole in zip(masking_seconds[WARM_UP:], masked_seconds, strict=True)]
    lower, middle, upper = statistics.quantiles(ratios(masked_seconds, stock_seconds), n=4, method="inclusive")
    step = statistics.median(stock_seconds)
    progress = statistics.median(process_seconds(masked.task._refresh_statistics) for _ in range(5))
    return {
        "model": name,
        "parameters": sum(parameter.numel() for parameter in stock.model.parameters()),
        "tokens": int(sample["ntokens"]),
        "stock s": step,
        "masked s": statistics.median(masked_seconds),
        "ratio": middle,
        "quartiles": f"{lower:.3f} to {upper:.3f}",
        "control": statistics.median(ratios(again_seconds, stock_seconds)),
        "masking inside": f"{statistics.median(inside):.2%}",
        "progress line": f"{progress / step:.2%}",
        "rounds": list(zip(stock_seconds, masked_seconds, again_seconds, strict=True)),
    }


def alternate(
    steps: Sequence[Callable[[], Any]], rounds: int, clock: Callable[[Callable[[], Any]], float]
) -> list[list[float]]:
    """Times of each step by round; who goes first changes, since the others find other things in the cache."""
    times: list[list[float]] = [[] for _ in steps]
    for number in range(WARM_UP + rounds):
        for place in range(len(steps)):
            index = (number + place) % len(steps)
            times[index].append(clock(steps[index]))
    return [each[WARM_UP:] for each in times]


def ratios(ours: list[float], theirs: list[float]) -> list[float]:
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def _time_masking(trainer: Trainer) -> list[float]:
    """The list to which from now on every step adds the time of its masking."""
    masking = trainer.model.masking
    mask_gradients, seconds = masking.mask_gradients, list[float]()
    masking.mask_gradients = lambda: seconds.append(process_seconds(mask_gradients))
    return seconds


def process_seconds(call: Callable[[], Any]) -> float:
    """CPU time of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start
