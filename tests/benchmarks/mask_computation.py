"""Masks by magnitude for whole models, against ``torch.nn.utils.prune`` on the same weights.

Each measurement is one call in a fresh process: time of the call, and its peak of resident memory above what was
resident when the weights stood, the masks that it leaves included.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.utils import prune

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.budgets import budgets
from nmt_prune.pruning.saliency import saliencies
from tests.benchmarks.reporting import memory, report
from tests.benchmarks.transformer_shapes import SIZES, random_matrices

SPARSITY = 0.9
ROUNDS = {"base, 61 M": 3, "big, 210 M": 1}
Weights = Mapping[Prunable, Tensor]


def ours(budget: str) -> Callable[[Weights], Callable[[], Any]]:
    """Masks by a budget of ours."""

    def prepare(weights: Weights) -> Callable[[], Any]:
        def call() -> MaskSet:
            scores = saliencies.build("magnitude").score(weights)
            return budgets.build(budget).select(scores, MaskSet.dense(weights), SPARSITY)

        return call

    return prepare


def torch_prune(globally: bool) -> Callable[[Weights], Callable[[], Any]]:
    """Masks by torch, which leaves them in the modules."""

    def prepare(weights: Weights) -> Callable[[], Any]:
        modules = [nn.Module() for _ in weights]
        for module, weight in zip(modules, weights.values(), strict=True):
            module.weight = nn.Parameter(weight)
        if globally:
            owned = [(module, "weight") for module in modules]
            return lambda: prune.global_unstructured(owned, prune.L1Unstructured, amount=SPARSITY)
        return lambda: [prune.l1_unstructured(module, "weight", amount=SPARSITY) for module in modules]

    return prepare


METHODS = {
    "global": (ours("global"), torch_prune(globally=True)),
    "matrix": (ours("matrix"), torch_prune(globally=False)),
}
"""Per budget: ours and the peer."""


def run() -> None:
    """Measures all sizes and budgets, ours and the peer in turn."""
    rows = []
    for size in SIZES:
        for budget in METHODS:
            rounds = [[_in_fresh_process(size, budget, who) for who in (0, 1)] for _ in range(ROUNDS[size])]
            mine, peer = (
                {key: statistics.median(r[who][key] for r in rounds) for key in rounds[0][0]} for who in (0, 1)
            )
            rows.append(
                {
                    "model": size,
                    "budget": budget,
                    "s": mine["seconds"],
                    "torch s": peer["seconds"],
                    "times faster": peer["seconds"] / mine["seconds"],
                    "extra copies": mine["copies"],
                    "torch copies": peer["copies"],
                    "rounds": rounds,
                }
            )
    report(
        "mask_computation",
        f"Masks by magnitude at {SPARSITY:.0%} sparsity",
        ["model", "budget", "s", "torch s", "times faster", "extra copies", "torch copies"],
        rows,
        "CPU seconds and peak extra memory as multiples of the weights;"
        " each call in a fresh process (base: median of 3)."
        " Goals: at least 5 times faster than global_unstructured, at most 1 extra copy.",
    )


def _in_fresh_process(size: str, budget: str, who: int) -> dict[str, float]:
    command = [sys.executable, "-m", __name__, size, budget, str(who)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _measure(size: str, budget: str, who: int) -> dict[str, float]:
    weights = random_matrices(size)
    call = METHODS[budget][who](weights)
    resident, wall, cpu = memory("VmRSS"), time.perf_counter(), time.process_time()
    masks = call()
    cpu, wall, peak = time.process_time() - cpu, time.perf_counter() - wall, memory("VmHWM")
    del masks
    size_in_bytes = sum(weight.nbytes for weight in weights.values())
    return {"seconds": cpu, "wall_seconds": wall, "copies": (peak - resident) / size_in_bytes}


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
