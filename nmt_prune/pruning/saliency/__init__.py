"""Saliencies: what a weight is worth."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.saliency.evidence import Evidence as Evidence
from nmt_prune.pruning.saliency.evidence import Probe as Probe
from nmt_prune.registry import Registry

saliencies: Registry["Saliency"] = Registry("saliency", __name__)


@dataclass(frozen=True)
class Saliency(ABC):
    """A score per weight; weights with the highest scores survive.

    Args:
        seed: seed of whatever is drawn.
    """

    ranks_vocabulary: ClassVar[bool] = True
    """Whether scores of embeddings and output projection can be compared with those of other matrices."""

    is_learned: ClassVar[bool] = False
    """Whether scores come into being while a model is trained."""

    reads_optimizer: ClassVar[bool] = False
    """Whether scores are made of what the optimizer remembers; see :meth:`reading`."""

    seed: int = field(default=1, kw_only=True)

    @property
    def rounds(self) -> int:
        """Number of steps in which a sparsity is reached, the survivors scored anew before each."""
        return 1

    @abstractmethod
    def score_matrix(self, prunable: Prunable, weight: Tensor) -> Tensor:
        """Scores one matrix.

        Args:
            prunable: which matrix it is.
            weight: its weights, (rows, columns).

        Returns:
            A float tensor of the same shape.
        """

    def score(self, weights: Mapping[Prunable, Tensor], alive: MaskSet | None = None) -> Mapping[str, Tensor]:
        """Scores all matrices, each when it is asked for.

        Args:
            weights: all matrices of the model.
            alive: the masks so far, for scores that depend on other weights; None: nothing is pruned.
        """
        return _MatrixScores(self, weights)

    def aimed(self, prunables: Sequence[Prunable], density: float) -> "Saliency":
        """The saliency for a given aim; most do not depend on it.

        Args:
            prunables: the matrices that are going to be pruned; the others stay as they are.
            density: the share of their weights (or groups) that is going to survive.
        """
        return self

    def reading(self, moments: Callable[[], Mapping[str, Tensor] | None]) -> "Saliency":
        """The saliency where there is an optimizer; most do not ask for one.

        Args:
            moments: gives Adam's second moments by matrix; None where there are none.
        """
        return self

    def findings(
        self, scores: Mapping[str, Tensor], weights: Mapping[Prunable, Tensor], alive: MaskSet, found: MaskSet
    ) -> Mapping[str, float]:
        """What there is to say about the masks that came of the scores, for logs and provenance.

        Args:
            scores: the scores that this saliency gave.
            weights: all matrices of the model.
            alive: the masks before.
            found: the masks now.
        """
        return {}


class _MatrixScores(Mapping[str, Tensor]):
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


@dataclass(frozen=True)
class ModelSaliency(Saliency):
    """A saliency of the model as a whole: all matrices are scored together, when the first score is asked for."""

    @abstractmethod
    def score_model(self, weights: Mapping[Prunable, Tensor], alive: MaskSet) -> Mapping[str, Tensor]:
        """Scores all matrices.

        Args:
            weights: the matrices; those that are pruned need not be zero.
            alive: the masks so far.

        Returns:
            A float tensor of its shape per matrix, by name.
        """

    def score_matrix(self, prunable: Prunable, weight: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} scores a whole model; call score")

    def score(self, weights: Mapping[Prunable, Tensor], alive: MaskSet | None = None) -> Mapping[str, Tensor]:
        return _ModelScores(self, weights, MaskSet.dense(weights) if alive is None else alive)


class _ModelScores(Mapping[str, Tensor]):
    def __init__(self, saliency: ModelSaliency, weights: Mapping[Prunable, Tensor], alive: MaskSet) -> None:
        self._saliency, self._weights, self._alive = saliency, weights, alive

    @cached_property
    def _scores(self) -> Mapping[str, Tensor]:
        weights = {prunable: weight.detach() for prunable, weight in self._weights.items()}
        return self._saliency.score_model(weights, self._alive)

    def __getitem__(self, name: str) -> Tensor:
        return self._scores[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._scores)

    def __len__(self) -> int:
        return len(self._scores)


@dataclass(frozen=True)
class MeasuredSaliency(ModelSaliency):
    """A saliency that is measured on training data.

    Args:
        evidence: the model and the data.
    """

    evidence: Evidence | None = field(default=None, kw_only=True)

    @property
    def name(self) -> str:
        """Its name in the registry."""
        return next(name for name, entry in saliencies.entries().items() if entry is type(self))

    @abstractmethod
    def measure(self, probe: Probe) -> Mapping[str, Tensor]:
        """Scores a masked copy of the model."""

    def measured(self, weights: Mapping[Prunable, Tensor], alive: MaskSet) -> dict[str, Tensor]:
        """What ``measure`` finds, on the device of the weights.

        Raises:
            PruneError: there is no training data.
        """
        if self.evidence is None:
            raise PruneError(
                f"saliency {self.name} is measured on training data: give --data, the folder that fairseq-preprocess"
                " made"
            )
        found, device = self.measure(self.evidence.probe(weights, alive)), next(iter(weights.values())).device
        return {name: score.detach().to(device) for name, score in found.items()}

    def score_model(self, weights: Mapping[Prunable, Tensor], alive: MaskSet) -> Mapping[str, Tensor]:
        scores = self.measured(weights, alive)
        for prunable in weights:
            shape = tuple(scores[prunable.name].shape) if prunable.name in scores else "nothing"
            if shape != prunable.shape:
                raise PruneError(
                    f"saliency {self.name!r}: measure returned {shape} for {prunable.name}, expected {prunable.shape}"
                )
        return scores
