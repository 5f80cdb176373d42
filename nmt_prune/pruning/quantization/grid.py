"""Grids: the few values that quantized weights of a matrix may have, whole numbers times a scale."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


class Grid(ABC):
    """How a matrix is quantized: weights become codes · scale, and zeros stay zeros.

    Attributes:
        bits: bits of a code.
        averages: whether the scale of a training is the mean over its updates so far.
        limit: weights of at least this size get no gradient through the quantizer.
    """

    bits: int
    averages: bool
    limit: float

    @abstractmethod
    def scale(self, weight: Tensor) -> Tensor:
        """The scale that fits the weights, in fp32: (rows, 1), or (1, 1) for the whole matrix."""

    @abstractmethod
    def codes(self, weight: Tensor, scale: Tensor) -> Tensor:
        """The whole numbers that the weights become, as fp32 of their shape."""

    def quantized(self, weight: Tensor, scale: Tensor) -> Tensor:
        """The weights on the grid, in fp32."""
        return self.codes(weight.float(), scale) * scale


@dataclass(frozen=True)
class UniformGrid(Grid):
    """2^b evenly spaced values: scale Δ_c = max |w_c| / 2^(b-1) per row c (output channel), rounding to the nearest.

    Codes saturate at -2^(b-1) and 2^(b-1) - 1. (In the code of Zhang, Colbert & Das 2022 the clamp acts on a temporary,
    so that nothing saturates.) Inside this range |w - q(w)| is at most Δ_c / 2.
    """

    bits: int
    averages: bool = True
    limit: float = float("inf")

    def scale(self, weight: Tensor) -> Tensor:
        return weight.float().abs().amax(dim=1, keepdim=True) / 2 ** (self.bits - 1)

    def codes(self, weight: Tensor, scale: Tensor) -> Tensor:
        largest = 2 ** (self.bits - 1)
        divided = weight / torch.where(scale > 0, scale, 1.0)
        return torch.where(scale > 0, divided.round().clamp(-largest, largest - 1), 0.0)


@dataclass(frozen=True)
class TernaryGrid(Grid):
    """-α, 0 and α: zero is what is below Δ = beta · max |w| of the matrix, α the mean size of the rest."""

    beta: float
    per: Literal["row", "tensor"]
    limit: float
    bits: int = 2
    averages: bool = False

    def scale(self, weight: Tensor) -> Tensor:
        sizes = weight.float().abs()
        large = self._is_large(sizes)
        dimensions = (1,) if self.per == "row" else (0, 1)
        return (sizes * large).sum(dimensions, keepdim=True) / large.sum(dimensions, keepdim=True).clamp(min=1)

    def codes(self, weight: Tensor, scale: Tensor) -> Tensor:
        return weight.sign() * self._is_large(weight.abs())

    def _is_large(self, sizes: Tensor) -> Tensor:
        return (sizes >= self.beta * sizes.max()) & (sizes > 0)
