"""Budgets: how many weights survive in which matrix."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.masks.selection import select
from nmt_prune.registry import Registry

budgets: Registry["Budget"] = Registry("budget", __name__)


@dataclass(frozen=True)
class Budget(ABC):
    """Distributes the surviving weights over the matrices.

    Args:
        floor: every matrix keeps at least this share of the overall density, in [0, 1] (0: no floor). A floor keeps a
            global ranking from emptying whole sublayers.

    Attributes:
        ranks_matrices: whether the scores decide how many weights survive in which matrix.
        is_measured: whether the loss does, on training data; see :meth:`measuring`.
        prunes_at_once: whether it knows one sparsity alone, to which nothing leads by steps.
    """

    ranks_matrices: ClassVar[bool] = True
    is_measured: ClassVar[bool] = False
    prunes_at_once: ClassVar[bool] = False
    floor: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.floor <= 1:
            raise PruneError(f"budget: floor={self.floor:g} is outside [0, 1]")

    def select(self, scores: Mapping[str, Tensor], alive: MaskSet, sparsity: float) -> MaskSet:
        """Computes the masks of the given sparsity; what is pruned stays pruned.

        Args:
            scores: a score per weight.
            alive: the masks so far.
            sparsity: share of all counted weights to be gone, in [0, 1); the kept count is rounded to the nearest.

        Returns:
            Masks with the exact count, on the device of ``alive``.

        Raises:
            PruneError: more is pruned already than the sparsity allows.
        """
        total = sum(prunable.size for prunable in alive.prunables)
        count = kept_count(total, sparsity)
        existing = sum(alive.kept(prunable) for prunable in alive.prunables)
        if count > existing:
            raise PruneError(
                f"sparsity {sparsity:g} is below what is already pruned ({1 - existing / total:.6f});"
                " pruned weights stay pruned: ask for more, or start from a denser checkpoint"
            )
        return self._distribute(scores, alive, sparsity, count)

    def stages(self, alive: MaskSet, sparsity: float) -> Sequence[float]:
        """Sparsities to go through, survivors scored anew before each; the last is the one asked for.

        Args:
            alive: the masks so far.
            sparsity: share of all counted weights to be gone.
        """
        return [sparsity]

    def measuring(self, loss: Callable[[MaskSet], float]) -> "Budget":
        """The budget where the loss can be measured; most do not ask for it.

        Args:
            loss: gives the loss of the model under masks (or groups) in place of those so far.
        """
        return self

    @abstractmethod
    def _distribute(self, scores: Mapping[str, Tensor], alive: MaskSet, sparsity: float, count: int) -> MaskSet:
        """Chooses exactly ``count`` survivors."""

    def _floor(self, prunable: Prunable, alive: MaskSet, sparsity: float) -> int:
        """The number of weights that a matrix keeps at least; rounded down, so that all floors together fit."""
        return min(int(self.floor * (1 - sparsity) * prunable.size), alive.kept(prunable))


def kept_count(size: int, sparsity: float) -> int:
    """Weights that survive out of ``size``: (1 - sparsity) · size, rounded half up."""
    return int((1 - sparsity) * size + 0.5)


def select_counts(scores: Mapping[str, Tensor], alive: MaskSet, counts: Mapping[str, int]) -> MaskSet:
    """Keeps the best ``counts[name]`` weights of each matrix."""
    masks = {}
    for prunable in alive.prunables:
        name = prunable.name
        candidates = {name: alive.candidates(prunable)}
        masks[prunable] = select(scores, candidates, counts[name])[name]
    return MaskSet(masks)


def select_globally(
    scores: Mapping[str, Tensor], alive: MaskSet, floors: Mapping[str, int], count: int
) -> dict[str, Tensor]:
    """Keeps the best ``floors[name]`` weights of each matrix in ``floors`` and the best of what remains among them all.

    Args:
        scores: a score per weight.
        alive: the masks so far.
        floors: the matrices that compete, each with the number of places reserved for it.
        count: survivors over all these matrices.
    """
    competing = {prunable.name: alive.candidates(prunable) for prunable in alive.prunables if prunable.name in floors}
    reserved = {
        name: select(scores, {name: mask}, floors[name])[name] for name, mask in competing.items() if floors[name]
    }
    rest = {name: mask & ~reserved[name] if name in reserved else mask for name, mask in competing.items()}
    kept = select(scores, rest, count - sum(floors.values()))
    return {name: kept[name] | reserved[name] if name in reserved else kept[name] for name in competing}


def apportion(weights: Sequence[float], capacities: Sequence[int], floors: Sequence[int], count: int) -> list[int]:
    """Shares ``count`` places in proportion to ``weights`` between the floors and the capacities, exactly.

    Places above a capacity go to the others in proportion; fractions are rounded by largest remainder.

    Raises:
        PruneError: the floors need more, or the capacities hold fewer, than ``count`` places.
    """
    if not sum(floors) <= count <= sum(capacities):
        raise PruneError(
            f"{count} of {sum(capacities)} cannot survive: every matrix (or sublayer) keeps a floor, {sum(floors)} in"
            " all; ask for a lower --sparsity, or a lower floor of the --budget"
        )
    low, high = 0.0, max((capacity + 1) / weight for weight, capacity in zip(weights, capacities, strict=True))
    shares: list[float] = []
    for _ in range(200):  # bisection for the scale at which the clamped shares add up
        scale = (low + high) / 2
        shares = [
            min(max(scale * weight, floor), capacity)
            for weight, capacity, floor in zip(weights, capacities, floors, strict=True)
        ]
        low, high = (scale, high) if sum(shares) < count else (low, scale)
    places = [int(share + 1e-9) for share in shares]
    by_remainder = sorted(range(len(places)), key=lambda i: (-(shares[i] - places[i]), i))
    while sum(places) < count:
        for index in by_remainder:
            if sum(places) < count and places[index] < capacities[index]:
                places[index] += 1
    return places
