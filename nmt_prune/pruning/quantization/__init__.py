"""Quantization: weights on a grid of few values, and activations too where a quantizer says so."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from nmt_prune.errors import PruneError
from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.quantization.grid import Grid, UniformGrid
from nmt_prune.registry import Registry

quantizers: Registry["Quantizer"] = Registry("quantizer", __name__)

FULL = 32
"""Bits of what is not quantized."""


@dataclass(frozen=True)
class Quantizer(ABC):
    """Which matrices and activations get which grid. Biases, layer norms and positions are never quantized.

    In a training the forward pass sees quantized weights, their gradient goes to the trained ones as it is (a
    straight-through estimator), and activations are quantized before every matrix product with a quantized matrix.

    Args:
        activation_bits: 4, 8, or 32: activations are left alone.
        vocabulary_bits: 4, 8, or 32: embeddings and output projection are left alone.
        activation_start: updates after which activations are quantized; their ranges are observed from the start.
        after_pruning: whether weights are quantized only once the mask is final (the second stage of Yang, He & Fan
            2020 within one training).

    Raises:
        PruneError: another number of bits.
    """

    activation_bits: int = FULL
    vocabulary_bits: int = FULL
    activation_start: int = 0
    after_pruning: bool = False

    def __post_init__(self) -> None:
        check_bits("activation_bits", self.activation_bits, (4, 8, FULL))
        check_bits("vocabulary_bits", self.vocabulary_bits, (4, 8, FULL))

    @property
    @abstractmethod
    def body(self) -> Grid:
        """The grid of attention and feed-forward matrices."""

    def grid(self, prunable: Prunable) -> Grid | None:
        """The grid of a matrix; None: it is left alone."""
        if prunable.in_body:
            return self.body
        return None if self.vocabulary_bits == FULL else UniformGrid(self.vocabulary_bits)


def check_bits(setting: str, bits: int, known: tuple[int, ...]) -> None:
    """Refuses bit widths that nothing stores or computes with.

    Raises:
        PruneError: ``bits`` is not among the ``known`` ones.
    """
    if bits not in known:
        raise PruneError(f"quantizer: {setting}={bits} is not supported; choose {', '.join(map(str, known))}")
