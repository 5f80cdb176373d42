"""Movement pruning by one threshold for all matrices."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.selection import select
from nmt_prune.pruning.budgets import kept_count, select_globally
from nmt_prune.pruning.groups import Group
from nmt_prune.pruning.groups.element import Element
from nmt_prune.pruning.saliency import saliencies
from nmt_prune.pruning.saliency.learned import Finder
from nmt_prune.pruning.saliency.movement import Movement, MovementLearner
from nmt_prune.pruning.schedules import Schedule
from nmt_prune.training.masking import Masking

LEAST = 0.005
"""Share of a matrix that is left at least."""
PUBLISHED = 0.1
"""Final τ of the original."""


@saliencies.register("soft-movement")
@dataclass(frozen=True)
class SoftMovement(Movement):
    """The scores of movement pruning under one threshold τ for all matrices (soft movement, Sanh et al. 2020).

    The forward pass sees W' = W where σ(S) > τ, and at least 0.5 % of each matrix; the loss gains λ times the mean of
    σ(S), λ rising with the schedule from 0 on (``--budget`` says nothing). By default τ is at every update what leaves
    the schedule's sparsity. With exact=false τ is as published: it rises with the schedule to ``threshold``, and what
    is left when it settles is the mask. ``--sparsity`` then only paces the rise, λ decides how much goes, and nothing
    does unless scores have the time to fall from 0 to σ⁻¹(τ): with Adam and τ = 0.1 at least 2.2 / lr updates; in a
    shorter training raise lr.

    Args:
        exact: whether it meets ``--sparsity``.
        threshold: final τ with exact=false, in [0, 1); by default 0.1.
        strength: final λ of the penalty.
    """

    exact: bool = True
    threshold: float | None = None
    strength: float = 400.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.exact and self.threshold is not None:
            raise PruneError(
                f"saliency {self.name}: threshold={self.threshold:g} does nothing while --sparsity decides; add"
                " exact=false"
            )
        if not 0 <= self.final_threshold < 1:
            raise PruneError(f"saliency {self.name}: threshold={self.threshold:g} is outside [0, 1)")
        if self.strength < 0:
            raise PruneError(f"saliency {self.name}: strength={self.strength:g} must not be negative")

    @property
    def final_threshold(self) -> float:
        """τ at the end, with exact=false."""
        return PUBLISHED if self.threshold is None else self.threshold

    def check(self, group: Group, schedule: Schedule) -> None:
        if not isinstance(group, Element):
            raise PruneError(f"saliency {self.name} has a threshold for single weights: leave out --group")
        super().check(group, schedule)

    def learner(self, masking: Masking, pruner: Finder, schedule: Schedule) -> "SoftMovementLearner":
        return SoftMovementLearner(self, masking, pruner, schedule)


class SoftMovementLearner(MovementLearner):
    """The scores of soft movement pruning, one per weight, which is seen while σ(S) > τ."""

    def __init__(self, saliency: SoftMovement, masking: Masking, pruner: Finder, schedule: Schedule) -> None:
        super().__init__(saliency, masking, pruner, schedule)
        self._settings = saliency

    def masks(self, update: int) -> MaskSet:
        return self._exact(update) if self._settings.exact else self._above(self._settings.final_threshold, update)

    def _exact(self, update: int) -> MaskSet:
        """τ is the score of the last weight that the schedule's sparsity leaves."""
        sparsity, alive = self.schedule.sparsity(update), self.masking.masks
        least = min(LEAST, 1 - sparsity)
        floors = {p.name: min(int(least * p.size), alive.kept(p)) for p in self.parameters}
        count = kept_count(sum(prunable.size for prunable in self.parameters), sparsity)
        chosen = select_globally(self.scores, alive, floors, count)
        return MaskSet({prunable: chosen.get(prunable.name, alive[prunable.name]) for prunable in alive.prunables})

    def _above(self, threshold: float, update: int) -> MaskSet:
        threshold, alive = threshold * self._progress(update), self.masking.masks
        masks = {prunable: alive[prunable.name] for prunable in alive.prunables}
        for prunable in self.parameters:
            score, candidates = self.scores[prunable.name].detach(), alive.candidates(prunable)
            masks[prunable] = candidates & (torch.sigmoid(score) > threshold)
            least = min(int(LEAST * prunable.size) + 1, alive.kept(prunable))
            if int(masks[prunable].sum()) < least:
                masks[prunable] = select({"": score}, {"": candidates}, least)[""]
        return MaskSet(masks)

    def learn(self, slopes: Mapping[str, Tensor], weights: Mapping[str, Tensor], update: int) -> Mapping[str, Tensor]:
        factors = super().learn(slopes, weights, update)
        strength = self._settings.strength * self._progress(update) / len(self.scores)
        for score in self.scores.values():
            assert score.grad is not None
            likely = torch.sigmoid(score.detach())
            score.grad += strength * likely * (1 - likely) / score.numel()
        return factors

    def _progress(self, update: int) -> float:
        """How far the schedule has come, from 0 to 1."""
        start = self.schedule.sparsity(0)
        return (self.schedule.sparsity(update) - start) / (self.schedule.final - start)
