"""Saliencies: what a weight is worth."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from nmt_prune.masks.prunable import Prunable
from nmt_prune.registry import Registry

saliencies: Registry["Saliency"] = Registry("saliency", __name__)


@dataclass(frozen=True)
class Saliency(ABC):
    """A score per weight; weights with the highest scores survive.

    Args:
        seed: seed of whatever is drawn.
    """

    seed: int = field(default=1, kw_only=True)

    @abstractmethod
    def score_matrix(self, prunable: Prunable, weight: Tensor) -> Tensor:
        """Scores one matrix.

        Args:
            prunable: which matrix it is.
            weight: its weights, (rows, columns).

        Returns:
            A float tensor of the same shape.
        """

    def score(self, weights: Mapping[Prunable, Tensor]) -> "Scores":
        """Scores all matrices, each when it is asked for."""
        return Scores(self, weights)


class Scores(Mapping[str, Tensor]):
    """The scores of all matrices by name, computed on access, so that no second copy of the model is ever in memory."""

    def __init__(self, saliency: Saliency, weights: Mapping[Prunable, Tensor]) -> None:
        self._saliency = saliency
        self._weights = {prunable.name: (prunable, weight) for prunable, weight in weights.items()}

    def __getitem__(self, name: str) -> Tensor:
        prunable, weight = self._weights[name]
        return self._saliency.score_matrix(prunable, weight.detach())

    def __iter__(self) -> Iterator[str]:
        return iter(self._weights)

    def __len__(self) -> int:
        return len(self._weights)
