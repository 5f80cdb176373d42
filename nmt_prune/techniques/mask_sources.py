"""Where a technique's mask is found: on which run, or on fresh weights."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

R_co = TypeVar("R_co", covariant=True)


class Ladder(Protocol[R_co]):
    """What a mask source asks of the runs of one seed."""

    def dense(self) -> R_co:
        """The dense run."""

    def below(self, technique: str, owner: str, percent: float) -> R_co | None:
        """The run of ``technique`` at the rung below ``percent`` on the ladder of ``owner``; the lowest is dense."""

    def last_start_round(self, technique: str) -> R_co | None:
        """The run of the last of a technique's start rounds."""


class MaskSource(ABC):
    """On what the mask of a rung is found.

    Attributes:
        is_fresh: whether on the fresh weights of the run itself, so that it has no parent.
        grows: whether the mask grows from nothing while fresh weights are trained.
        by_search: whether a search decides the sparsity, so that there is one run per seed and none per rung.
    """

    is_fresh: ClassVar[bool] = False
    grows: ClassVar[bool] = False
    by_search: ClassVar[bool] = False

    @abstractmethod
    def run(self, technique: str, percent: float, ladder: Ladder[R_co]) -> R_co | None:
        """The run that the mask of a technique's rung is found on; None for fresh weights."""


@dataclass(frozen=True)
class RungBelow(MaskSource):
    """The rung below: of the technique itself, or of another, whose very mask is taken.

    Attributes:
        of: the other technique.
    """

    of: str | None = None

    def run(self, technique: str, percent: float, ladder: Ladder[R_co]) -> R_co | None:
        return ladder.below(self.of or technique, technique, percent)


@dataclass(frozen=True)
class DenseRun(MaskSource):
    """The dense run, at every rung."""

    def run(self, technique: str, percent: float, ladder: Ladder[R_co]) -> R_co:
        return ladder.dense()


@dataclass(frozen=True)
class LastStartRound(MaskSource):
    """The last of the start rounds."""

    def run(self, technique: str, percent: float, ladder: Ladder[R_co]) -> R_co | None:
        return ladder.last_start_round(technique)


@dataclass(frozen=True)
class FreshWeights(MaskSource):
    """Fresh weights, pruned before the first update."""

    is_fresh = True

    def run(self, technique: str, percent: float, ladder: Ladder[R_co]) -> None:
        return None


@dataclass(frozen=True)
class WhileTraining(FreshWeights):
    """Fresh weights: the mask grows while they are trained."""

    grows = True


@dataclass(frozen=True)
class SearchInDense(DenseRun):
    """A search for subnetworks in the dense run."""

    by_search = True
