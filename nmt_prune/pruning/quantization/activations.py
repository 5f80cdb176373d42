"""Quantized activations: what goes into a matrix product is rounded to a grid of its own."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed, nn


class Activations:
    """The inputs of linear layers, whose ranges are observed and which are then quantized.

    The range of an input is the mean over updates of its minimum and of its maximum over a mini-batch, padding
    included. fairseq's attention computes its projections inside one function of PyTorch's that no hook sees, so it is
    told to call its linear layers instead; outputs agree up to rounding.

    Attributes:
        observes: whether mini-batches that pass widen the statistics.
        quantizes: whether inputs are quantized, as soon as their range is known.

    Args:
        model: the model.
        names: state-dict keys of the weights of the linear layers.
        bits: bits of an activation.
    """

    def __init__(self, model: nn.Module, names: Collection[str], bits: int) -> None:
        self.observes = self.quantizes = False
        self._levels = 2**bits - 1
        layers = {
            name: module
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear) and f"{name}.weight" in names
        }
        for index, layer in enumerate(layers.values()):
            layer.register_forward_pre_hook(partial(self._before_layer, index))
        for module in model.modules():
            if hasattr(module, "skip_embed_dim_check"):
                module.skip_embed_dim_check = True  # type: ignore[assignment]
        self._names = list(layers)
        # Per input: minimum, maximum, number of updates; and the sums over the mini-batches of this update.
        self._ranges = torch.zeros(len(layers), 3)
        self._pending = torch.zeros(len(layers), 3)

    @property
    def ranges(self) -> dict[str, Tensor]:
        """Minimum, maximum and number of updates of every input seen so far, by name of its layer."""
        return {name: row for name, row in zip(self._names, self._ranges.cpu().clone(), strict=True) if row[2]}

    def load(self, ranges: Mapping[str, Tensor]) -> None:
        """Takes ranges in place of the observed ones."""
        for index, name in enumerate(self._names):
            self._ranges[index] = ranges[name].to(self._ranges) if name in ranges else 0.0

    def update(self) -> None:
        """Ends an update: its mini-batches, over all workers, count once."""
        if distributed.is_initialized():
            distributed.all_reduce(self._pending)
        seen = self._pending[:, 2:] > 0
        batch = self._pending[:, :2] / self._pending[:, 2:].clamp(min=1)
        updates = self._ranges[:, 2:] + seen
        step = (batch - self._ranges[:, :2]) / updates.clamp(min=1)
        self._ranges = torch.cat([self._ranges[:, :2] + torch.where(seen, step, 0.0), updates], dim=1)
        self._pending.zero_()

    def _before_layer(self, index: int, layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        activation = inputs[0]
        if self._ranges.device != activation.device:
            self._ranges, self._pending = (t.to(activation.device) for t in (self._ranges, self._pending))
        if self.observes:
            self._observe(index, activation.detach())
        if not self.quantizes:
            return None
        return (_Rounding.apply(activation, self._ranges[index], self._levels), *inputs[1:])

    def _observe(self, index: int, activation: Tensor) -> None:
        if activation.numel():
            low, high = (value.float() for value in activation.aminmax())
            row = torch.stack([low, high, torch.ones_like(low)])
            # A half-precision update that overflows is done again.
            self._pending[index] += torch.where(row.isfinite().all(), row, 0.0)


class _Rounding(torch.autograd.Function):
    """Rounds to the nearest of the levels of a range; straight-through, but for what lies outside the range."""

    @staticmethod
    def forward(ctx: Any, activation: Tensor, range_: Tensor, levels: int) -> Tensor:
        low, high, updates = range_
        step = ((high - low) / levels).clamp(min=torch.finfo(torch.float32).tiny)
        values = activation.float()
        rounded = low + ((values - low) / step).round().clamp(0, levels) * step
        is_known = updates > 0
        ctx.save_for_backward(~is_known | ((values >= low) & (values <= high)))
        return torch.where(is_known, rounded, values).to(activation.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (passes,) = ctx.saved_tensors
        return gradients[0] * passes, None, None
