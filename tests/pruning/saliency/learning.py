"""Updates as the task makes them, without fairseq's trainer."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from nmt_prune.pruning.budgets import budgets
from nmt_prune.pruning.groups import groups
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency import saliencies
from nmt_prune.pruning.saliency.trained_scores import Learner
from nmt_prune.pruning.schedules import schedules
from nmt_prune.training.masking import Masking

FC1, FC2 = "encoder.layers.0.fc1.weight", "encoder.layers.0.fc2.weight"


class OneLayer(nn.Module):
    """The feed-forward sublayer of one encoder layer, by fairseq's names."""

    def __init__(self, fc1: Tensor, fc2: Tensor) -> None:
        super().__init__()
        self.encoder, layer = nn.Module(), nn.Module()
        layer.fc1, layer.fc2 = (nn.Linear(*reversed(w.shape), bias=False) for w in (fc1, fc2))
        self.encoder.layers = nn.ModuleList([layer])
        for linear, weight in ((layer.fc1, fc1), (layer.fc2, fc2)):
            linear.weight = nn.Parameter(weight.clone())

    def forward(self, x: Tensor) -> Tensor:
        layer = self.encoder.layers[0]
        return layer.fc2(torch.tanh(layer.fc1(x)))


def learner(model: Any, saliency: str, schedule: str, sparsity: float = 0.5, **settings: Any) -> Learner:
    """The callback of a learned saliency; ``model`` has its masks as ``masking``."""
    if not hasattr(model, "masking"):
        model.masking = Masking(model)
    pruner = Pruner(
        saliencies.build(saliency, seed=settings.get("seed", 1)),
        budgets.build(settings.get("budget", "matrix")),
        groups.build(settings.get("group", "element"), head_dim=settings.get("head_dim", {})),
        settings.get("prune_set", "all"),
    )
    found = schedules.build(schedule, final=sparsity, max_update=100)
    pruner.saliency.check(pruner.group, found)
    return pruner.saliency.learner(model.masking, pruner, found)


def update(model: Any, callback: Learner, loss: Callable[[], Tensor], number: int, lr: float = 0.0) -> None:
    """One update: forward and backward, the callback's part, a step of plain SGD."""
    for parameter in model.parameters():
        parameter.grad = None
    callback.before_forward(number)
    value = loss()
    penalty = callback.penalty()
    (value if penalty is None else value + penalty).backward()
    optimizer = SimpleNamespace()
    callback.before_step(optimizer, number)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter -= lr * parameter.grad
    callback.after_step(optimizer, number + 1)
    if number + 1 == callback.settled_at:
        model.masking.replace(callback.masks(number + 1))
