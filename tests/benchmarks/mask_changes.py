"""The time of a mask change where the weights are."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.budgets import budgets
from nmt_prune.pruning.saliency import saliencies

SPARSITY = 0.9


def mask_change(weights: Mapping[Prunable, Tensor], budget: str, device: str, rounds: int) -> list[float]:
    """Seconds of finding masks by magnitude, a first time left out."""
    placed = {prunable: weight.to(device) for prunable, weight in weights.items()}
    alive = MaskSet({prunable: torch.ones_like(weight, dtype=torch.bool) for prunable, weight in placed.items()})

    def change() -> MaskSet:
        scores = saliencies.build("magnitude").score(placed)
        return budgets.build(budget).select(scores, alive, SPARSITY)

    return [seconds(change, device) for _ in range(rounds + (device != "cpu"))][device != "cpu" :]


def seconds(call: Callable[[], Any], device: str) -> float:
    """Time of a call: between two events of a GPU, or on the clock."""
    if device == "cpu":
        start = time.perf_counter()
        call()
        return time.perf_counter() - start
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begin.record()
    call()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / 1000
