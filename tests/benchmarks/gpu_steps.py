"""Masked training steps against stock ones, on a GPU or, to try this file, on a CPU."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from fairseq import utils
from fairseq.trainer import Trainer

from tests.benchmarks.mask_changes import SPARSITY, seconds
from tests.benchmarks.trainers import build_trainer, random_batch
from tests.benchmarks.training_step import alternate, ratios


@dataclass(frozen=True)
class Shape:
    """A Transformer and its mini-batches."""

    width: int
    units: int
    heads: int
    layers: int
    vocabulary: int
    sentences: int
    length: int


SHAPES = {
    "base, 61 M": Shape(512, 2048, 8, 6, 33_000, 128, 32),
    "big, 210 M": Shape(1024, 4096, 16, 6, 33_000, 128, 32),
}
PRECISIONS: dict[str, tuple[str, ...]] = {
    "fp32": (),
    "fp16": ("--fp16", "--fp16-init-scale", "4"),
    "bf16": ("--bf16",),
    "amp": ("--amp", "--fp16-init-scale", "4"),
}
UPDATE_FREQS = (1, 4)


def build_trainers(shape: Shape, flags: Sequence[str], device: str) -> list[Trainer]:
    """A stock trainer, a masked one and, to say what the comparison is worth, another stock one."""
    sizes = {"embed-dim": shape.width, "ffn-embed-dim": shape.units, "attention-heads": shape.heads}
    words = [
        f"--{side}-{flag}={value}"
        for side in ("encoder", "decoder")
        for flag, value in {**sizes, "layers": shape.layers}.items()
    ]
    stock = ("--task", "translation", "--arch", "transformer")
    masked = ("--task", "translation_pruning", "--arch", "masked_transformer", "--sparsity", str(SPARSITY))
    kinds = (stock, masked, stock)
    return [build_trainer(shape.vocabulary, *kind, *words, *flags, device=device) for kind in kinds]


def compare_steps(
    trainers: Sequence[Trainer], shape: Shape, update_freq: int, device: str, rounds: int, limit: float
) -> dict[str, Any]:
    """Times of the trainers' steps in turn, and the memory that a step of each adds to what is there.

    Args:
        trainers: stock, masked, stock.
        shape: their shape.
        update_freq: mini-batches of an update.
        device: ``cuda``, or ``cpu``.
        rounds: steps of each, fewer where they would take longer than ``limit``.
        limit: seconds.
    """
    sample = random_batch(shape.vocabulary, shape.sentences, shape.length)
    if device == "cuda":
        sample = utils.move_to_cuda(sample)
    steps = [partial(trainer.train_step, [sample] * update_freq) for trainer in trainers]
    peaks = [_peak(step, device) for step in steps]
    began = time.monotonic()
    steps[0]()
    each = max(time.monotonic() - began, 1e-4)
    rounds = max(3, min(rounds, int(limit / (each * len(steps)))))
    stock, masked, control = alternate(steps, rounds, partial(seconds, device=device))
    lower, middle, upper = statistics.quantiles(ratios(masked, stock), n=4, method="inclusive")
    return {
        "stock s": statistics.median(stock),
        "masked s": statistics.median(masked),
        "ratio": middle,
        "quartiles": f"{lower:.3f} to {upper:.3f}",
        "control": statistics.median(ratios(control, stock)),
        "stock MB": peaks[0],
        "masked MB": peaks[1],
        "steps": rounds,
        "rounds": list(zip(stock, masked, control, strict=True)),
    }


def _peak(step: partial[Any], device: str) -> float | None:
    """MB that a trainer's first step, which also makes the moments, takes at most; None on a CPU."""
    if device != "cuda":
        step()
        return None
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    return (torch.cuda.max_memory_allocated() - before) / 1e6
