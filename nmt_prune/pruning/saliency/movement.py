"""Movement pruning."""

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
from nmt_prune.pruning.saliency.learned import Finder, Learner, TrainedScores
from nmt_prune.pruning.schedules import Schedule
from nmt_prune.training.masking import Masking

LEAST = 0.005
"""Share of a matrix that soft movement pruning leaves at least."""


@saliencies.register("movement")
@dataclass(frozen=True)
class Movement(TrainedScores):
    """S = -lr Σ_t (∂L/∂W')·W: what moves away from zero survives (Sanh et al. 2020).

    The forward pass sees W' = W under the best scores at the schedule's sparsity of the moment, selected anew in every
    update by the budget (published: per matrix). Scores start at 0 and learn by the straight-through gradient
    ∂L/∂S = ∂L/∂W'·W, also those of weights that are masked just then. The original leaves embeddings alone:
    ``--prune-set body``.

    The soft variant sees W' = W where σ(S) > τ instead, one threshold for all matrices, and at least 0.5 % of each; the
    loss gains λ times the mean of σ(S), λ rising with the schedule from 0 on (``--budget`` says nothing). By default τ
    is at every update what leaves the schedule's sparsity. With exact=false τ is as published: it rises with the
    schedule to ``threshold``, and what is left when it settles is the mask. ``--sparsity`` then only paces the rise, λ
    decides how much goes, and nothing does unless scores have the time to fall from 0 to σ⁻¹(τ): with Adam and τ = 0.1
    at least 2.2 / lr updates; in a shorter training raise lr.

    Args:
        lr: learning rate of the scores; with ``optimizer=sgd`` S is the sum above, the original's code takes Adam.
        straight_through: whether masked weights learn, too, by the gradient of W'; the original's code multiplies it
            by the mask, so that only their scores move.
        soft: whether weights go by a threshold on their scores and not by a budget.
        exact: whether soft movement pruning meets ``--sparsity``.
        threshold: final τ of soft movement pruning without exact, in [0, 1).
        strength: final λ of its penalty.
    """

    straight_through: bool = True
    soft: bool = False
    exact: bool = True
    threshold: float = 0.1
    strength: float = 400.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.threshold < 1:
            raise PruneError(f"saliency movement: threshold={self.threshold:g} is outside [0, 1)")
        if self.strength < 0:
            raise PruneError(f"saliency movement: strength={self.strength:g} must not be negative")

    def check(self, group: Group, schedule: Schedule) -> None:
        super().check(group, schedule)
        if self.soft and not isinstance(group, Element):
            raise PruneError("saliency movement:soft=true has a threshold for single weights: leave out --group")
        if not isinstance(group, Element) and group.reduce not in ("sum", "mean"):
            raise PruneError(
                "saliency movement has scores with signs, which a group has to add up: give --group NAME:reduce=sum"
            )

    def learner(self, masking: Masking, pruner: Finder, schedule: Schedule) -> "MovementLearner":
        return (SoftMovementLearner if self.soft else MovementLearner)(self, masking, pruner, schedule)


class MovementLearner(Learner):
    """The scores of movement pruning, one per weight."""

    def __init__(self, saliency: Movement, masking: Masking, pruner: Finder, schedule: Schedule) -> None:
        super().__init__(saliency, masking, pruner, schedule)
        self.saliency = saliency
        self._current: MaskSet | None = None

    def initial_scores(self) -> dict[str, Tensor]:
        return {prunable.name: torch.zeros(prunable.shape) for prunable in self.parameters}

    def masks(self, update: int) -> MaskSet:
        weights, sparsity = self.masking.parameters_by_matrix, self.schedule.sparsity(update)
        return self.pruner.prune_by(self.scores, weights, self.masking.masks, sparsity)

    def substitute(self, update: int | None) -> Mapping[str, Tensor]:
        self._current = self.masks(self.updates if update is None else update)
        return {
            prunable.name: parameter * self._current[prunable.name] for prunable, parameter in self.parameters.items()
        }

    def learn(self, slopes: Mapping[str, Tensor], weights: Mapping[str, Tensor], update: int) -> Mapping[str, Tensor]:
        for name, score in self.scores.items():
            score.grad = slopes[name] * weights[name].float()
        if self.saliency.straight_through:
            return {}
        assert self._current is not None
        return {name: self._current[name] for name in self.scores}

    def statistics(self) -> dict[str, float]:
        masks = self.masking.masks if self._current is None or self.is_settled else self._current
        return {"learned_sparsity": masks.sparsity(list(self.parameters))}


class SoftMovementLearner(MovementLearner):
    """The scores of soft movement pruning: a weight is seen while σ(S) > τ."""

    def masks(self, update: int) -> MaskSet:
        return self._exact(update) if self.saliency.exact else self._above(self.saliency.threshold, update)

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
        strength = self.saliency.strength * self._progress(update) / len(self.scores)
        for score in self.scores.values():
            assert score.grad is not None
            likely = torch.sigmoid(score.detach())
            score.grad += strength * likely * (1 - likely) / score.numel()
        return factors

    def _progress(self, update: int) -> float:
        """How far the schedule has come, from 0 to 1."""
        start = self.schedule.sparsity(0)
        return (self.schedule.sparsity(update) - start) / (self.schedule.final - start)
