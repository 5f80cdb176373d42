"""Regularisers: penalties on groups of weights, which shrink whole groups towards zero while they are trained."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.registry import Registry

regularisers: Registry["Regulariser"] = Registry("regulariser", __name__)


@dataclass(frozen=True)
class Regulariser(ABC):
    """A penalty on the L2 norms a_j of groups, summed over families (see nmt_prune.pruning.groups) and weighted.

    Args:
        strength: λ, its weight beside the loss per token.
        step: ``loss``: λ · R is added to the loss, so that Adam divides its gradient by what it divides the loss's by;
            ``proximal``: after each step of the optimizer, with its learning rate η, the weights of a group are
            multiplied by max(0, 1 - ηλ/a_j), which makes groups exactly zero (Parikh & Boyd 2014, section 6.5.1).

    Raises:
        PruneError: the strength is not positive.
    """

    strength: float = 2.5e-4
    step: Literal["loss", "proximal"] = "loss"

    def __post_init__(self) -> None:
        if not self.strength > 0:
            raise PruneError(f"regulariser: strength={self.strength:g} must be above 0")

    @abstractmethod
    def penalty(self, norms: Tensor) -> Tensor:
        """R of one family, with the graph of its groups' ``norms``."""

    @abstractmethod
    def shrinks(self, norms: Tensor) -> Tensor:
        """Which groups the penalty pulls at, as a bool tensor."""
