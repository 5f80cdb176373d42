"""Quantization-aware training."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable, PruneSet, restrict
from nmt_prune.pruning.groups import Group
from nmt_prune.pruning.quantization import FULL, Quantizer
from nmt_prune.pruning.quantization.activations import Activations
from nmt_prune.training.callback import Substitution


class QuantizedTraining(Substitution):
    """The model computes, and is judged, with quantized weights and activations; the trained weights stay in fp32.

    Args:
        quantizer: how.
        model: the model.
        parameters: its matrices.
        group: what counts as pruned when all its quantized weights are zero.
        prune_set: the matrices that this is counted over.
        mask_is_final_at: update at which the mask is final.
    """

    def __init__(
        self,
        quantizer: Quantizer,
        model: nn.Module,
        parameters: Mapping[Prunable, nn.Parameter],
        group: Group,
        prune_set: PruneSet = "all",
        mask_is_final_at: int = 0,
    ) -> None:
        super().__init__({prunable: p for prunable, p in parameters.items() if quantizer.grid(prunable)})
        self._quantizer, self._group, self._prune_set = quantizer, group, prune_set
        self._start = mask_is_final_at if quantizer.after_pruning else 0
        self._update = self._count = 0
        self._means: dict[str, Tensor] = {}
        names = {name for prunable in self.parameters for name in prunable.names}
        with_activations = quantizer.activation_bits < FULL
        self._activations = Activations(model, names, quantizer.activation_bits) if with_activations else None
        for index, (prunable, parameter) in enumerate(self.parameters.items()):
            grid = quantizer.grid(prunable)
            if grid is not None and grid.limit < float("inf"):
                parameter.register_hook(lambda gradient, i=index, limit=grid.limit: self._stopped(gradient, i, limit))

    def substitute(self, update: int | None) -> Mapping[str, Tensor]:
        if update is not None and self._is_on():
            self._count += 1
            for prunable, parameter in self.parameters.items():
                grid = self._quantizer.grid(prunable)
                if grid is not None and grid.averages:
                    scale = grid.scale(parameter)
                    mean = self._means.get(prunable.name, scale).to(scale.device)
                    self._means[prunable.name] = mean + (scale - mean) / self._count
        return self._quantized() if self._is_on() else {}

    def before_forward(self, update: int) -> None:
        self._begin(update)
        if self._activations is not None:
            self._activations.observes = True
        super().before_forward(update)

    def after_step(self, optimizer: Any, update: int) -> None:
        self._begin(update)
        if self._activations is not None:
            self._activations.update()

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        observes = self._activations is not None and self._activations.observes
        if self._activations is not None:
            self._activations.observes = False
        try:
            with super().evaluation():
                yield
        finally:
            if self._activations is not None:
                self._activations.observes = observes

    @torch.no_grad()
    def statistics(self) -> dict[str, float]:
        """``sparsity_quantized``: share of the prune set's groups whose quantized weights are all zero."""
        weights = {**{prunable.name: p for prunable, p in self.parameters.items()}, **self._quantized()}
        chosen = restrict(self.parameters, self._prune_set)
        masks = MaskSet({prunable: weights[prunable.name] != 0 for prunable in chosen})
        return {"sparsity_quantized": self._group.alive(masks).sparsity()}

    def state_dict(self) -> dict[str, Any]:
        """What goes on when a training does, and what ``nmt-prune quantize`` makes the final grid of."""
        return {
            "update": self._update,
            "count": self._count,
            "scales": {name: mean.cpu() for name, mean in self._means.items()},
            "ranges": self._activations.ranges if self._activations is not None else {},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._count, self._means = state["count"], dict(state["scales"])
        if self._activations is not None:
            self._activations.load(state["ranges"])
        self._begin(state["update"])

    def _begin(self, update: int) -> None:
        self._update = update
        if self._activations is not None:
            self._activations.quantizes = self._is_on() and update >= self._quantizer.activation_start

    def _is_on(self) -> bool:
        return self._update >= self._start

    def _quantized(self) -> dict[str, Tensor]:
        found = {}
        for prunable, parameter in self.parameters.items():
            grid = self._quantizer.grid(prunable)
            if grid is not None:
                scale = self._means.get(prunable.name) if grid.averages else None
                scale = grid.scale(parameter) if scale is None else scale.to(parameter.device)
                found[prunable.name] = grid.quantized(parameter, scale)
        return found

    def _stopped(self, gradient: Tensor, index: int, limit: float) -> Tensor:
        if not self._trained or not self._is_on():
            return gradient
        return gradient * (self._trained[index].abs() < limit)
