"""Fresh random weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

import torch
from torch import Tensor

from nmt_prune.masks.prunable import PADDING_INDEX, Prunable, parse
from nmt_prune.pruning.resets import Reset, resets
from nmt_prune.randomness import generator
from nmt_prune.sinusoids import count_from_zero


@resets.register("reinit")
@dataclass(frozen=True)
class Reinit(Reset):
    """A new initialisation with fairseq's own distributions: the control that asks whether θ_0 matters.

    Uniform within Xavier's bound (divided by sqrt 2 for square q, k and v) in attention, within 1/sqrt(n_in) in the
    feed-forward matrices and all biases but those of out_proj, normal with deviation 1/sqrt(d) in embeddings.
    """

    needs_rewind_point: ClassVar[bool] = False

    def base(self, trained: Mapping[str, Tensor], rewind_point: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {name: self._draw(name, tensor, trained) for name, tensor in trained.items()}

    def _draw(self, name: str, tensor: Tensor, model: Mapping[str, Tensor]) -> Tensor:
        source = generator(self.seed, "reinit", name)
        prunable = parse(name, tensor.shape)
        if prunable is not None and prunable.in_body:
            return _uniform(tensor, _bound(prunable, model), source)
        if prunable is not None or name.endswith("embed_positions.weight"):
            if prunable is None and count_from_zero(tensor[PADDING_INDEX + 1 :].numpy()):
                return tensor.clone()
            weight = torch.randn(tensor.shape, generator=source) * tensor.shape[1] ** -0.5
            if not name.endswith("output_projection.weight"):
                weight[PADDING_INDEX] = 0
            return weight
        if "layer_norm" in name or "layernorm" in name:
            return torch.ones_like(tensor) if name.endswith("weight") else torch.zeros_like(tensor)
        matrix = name.removesuffix("bias") + "weight"
        if name.endswith(".bias") and matrix in model and not name.endswith("out_proj.bias"):
            return _uniform(tensor, model[matrix].shape[1] ** -0.5, source)
        return torch.zeros_like(tensor) if name.endswith("bias") else tensor.clone()


def _uniform(like: Tensor, bound: float, source: torch.Generator) -> Tensor:
    return (torch.rand(like.shape, generator=source) * 2 - 1) * bound


def _bound(prunable: Prunable, model: Mapping[str, Tensor]) -> float:
    if prunable.matrix in ("fc1", "fc2"):
        return prunable.shape[1] ** -0.5
    # fairseq scales q, k and v down only where all three are square.
    rows, columns = model[prunable.name.replace(prunable.matrix, "k_proj")].shape
    return sqrt(6 / sum(prunable.shape)) / (sqrt(2) if rows == columns and prunable.matrix != "out_proj" else 1)
