"""Movement pruning."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.pruning.groups import Group
from nmt_prune.pruning.groups.element import Element
from nmt_prune.pruning.saliency import saliencies
from nmt_prune.pruning.saliency.learned import Finder
from nmt_prune.pruning.saliency.trained_scores import Learner, TrainedScores
from nmt_prune.pruning.schedules import Schedule
from nmt_prune.training.masking import Masking


@saliencies.register("movement")
@dataclass(frozen=True)
class Movement(TrainedScores):
    """S = -lr Σ_t (∂L/∂W')·W: what moves away from zero survives (Sanh et al. 2020).

    The forward pass sees W' = W under the best scores at the schedule's sparsity of the moment, selected anew in every
    update by the budget (published: per matrix). Scores start at 0 and learn by the straight-through gradient
    ∂L/∂S = ∂L/∂W'·W, also those of weights that are masked just then. The original leaves embeddings alone:
    ``--prune-set body``.

    Args:
        lr: learning rate of the scores; with ``optimizer=sgd`` S is the sum above, the original's code takes Adam.
        straight_through: whether masked weights learn, too, by the gradient of W'; the original's code multiplies it
            by the mask, so that only their scores move.
    """

    straight_through: bool = True

    def check(self, group: Group, schedule: Schedule) -> None:
        super().check(group, schedule)
        if not isinstance(group, Element) and group.reduce not in ("sum", "mean"):
            raise PruneError(
                f"saliency {self.name} has scores with signs, which a group has to add up: give --group NAME:reduce=sum"
            )

    def learner(self, masking: Masking, pruner: Finder, schedule: Schedule) -> "MovementLearner":
        return MovementLearner(self, masking, pruner, schedule)


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
