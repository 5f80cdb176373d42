"""Saliencies that are trained: scores of their own, by an optimizer of their own, beside the weights."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.pruning.groups import Group
from nmt_prune.pruning.saliency.learned import Finder, LearnedSaliency, UntilSettled
from nmt_prune.pruning.schedules import Schedule
from nmt_prune.training.masking import Masking
from nmt_prune.training.optimizer_state import final_gradients, gradients, masters


@dataclass(frozen=True)
class TrainedScores(LearnedSaliency):
    """Scores that a training learns beside its weights, with an optimizer of their own.

    Args:
        lr: learning rate of the scores.
        optimizer: that of the scores: ``adam``, or ``sgd`` without momentum.
    """

    lr: float = 0.01
    optimizer: Literal["adam", "sgd"] = "adam"

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise PruneError(f"saliency: lr={self.lr:g} must be above 0")

    def has_settled(self, state: Mapping[str, Any]) -> bool:
        return bool(state) and "scores" not in state

    def check(self, group: Group, schedule: Schedule) -> None:
        super().check(group, schedule)
        if schedule.sparsity(0) > schedule.inherited:
            raise PruneError(
                f"saliency {self.name} has all to learn at the start, when the schedule already masks"
                f" {schedule.sparsity(0):g}: leave out initial="
            )


class Learner(UntilSettled):
    """Learns scores until the schedule has settled.

    Args:
        saliency: the settings.
        masking: the masks of the model.
        pruner: how masks are found; the scores are those of its prune set.
        schedule: until when, and to which sparsity.
    """

    def __init__(self, saliency: TrainedScores, masking: Masking, pruner: Finder, schedule: Schedule) -> None:
        super().__init__(masking, pruner, schedule)
        self.scores = {name: score.requires_grad_() for name, score in self.initial_scores().items()}
        kinds = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
        self._optimizer = kinds[saliency.optimizer](list(self.scores.values()), lr=saliency.lr)

    @abstractmethod
    def initial_scores(self) -> dict[str, Tensor]:
        """The scores to start from, in float32, by the name of what they belong to."""

    @abstractmethod
    def masks(self, update: int) -> MaskSet:
        """The masks by the scores as they are, after ``update`` updates."""

    @abstractmethod
    def learn(self, slopes: Mapping[str, Tensor], weights: Mapping[str, Tensor], update: int) -> Mapping[str, Tensor]:
        """Sets the gradients of the scores.

        Args:
            slopes: gradient of the loss by the substitutes, averaged and clipped, in float32, by matrix.
            weights: the trained weights, in float32, by matrix.
            update: number of updates so far.

        Returns:
            Factors that make the gradient by the substitutes one by the trained weights, by matrix; 1 for the others.
        """

    def before_step(self, optimizer: Any, update: int) -> None:
        if self.is_settled:
            return
        super().before_step(optimizer, update)
        names, parameters = [prunable.name for prunable in self.parameters], list(self.parameters.values())
        slopes = dict(zip(names, gradients(optimizer, parameters), strict=True))
        if not all(bool(slope.isfinite().all()) for slope in slopes.values()):
            return  # under --amp such an update takes no step and is repeated
        weights = dict(zip(names, masters(optimizer, parameters), strict=True))
        self._optimizer.zero_grad()
        factors = self.learn(slopes, weights, update)
        for name, gradient in zip(names, final_gradients(optimizer, parameters), strict=True):
            if gradient is not None and name in factors:
                gradient.mul_(factors[name].to(gradient))
        self._optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        if self.is_settled:
            return {"updates": self.updates}
        scores = {name: score.detach() for name, score in self.scores.items()}
        return {"updates": self.updates, "scores": scores, "optimizer": self._optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.updates = state["updates"]
        if self.is_settled or "scores" not in state:
            return
        saved = state["scores"]
        for name in sorted(self.scores.keys() | saved.keys()):
            if name not in self.scores or name not in saved or self.scores[name].shape != saved[name].shape:
                raise PruneError(
                    f"the checkpoint's learned scores do not fit: {name} has others; go on with the --group and"
                    " --prune-set that the training began with"
                )
            self.scores[name].data.copy_(saved[name])
        self._optimizer.load_state_dict(state["optimizer"])

    @torch.no_grad()
    def _put(self, update: int | None) -> None:
        if not self.is_settled:
            self._follow_the_model()
            super()._put(update)

    def _follow_the_model(self) -> None:
        """Moves the scores to the device that the model has gone to since it was built."""
        device = next(iter(self.parameters.values())).device
        if any(score.device != device for score in self.scores.values()):
            for score in self.scores.values():
                score.data, score.grad = score.data.to(device), None
            self._optimizer.load_state_dict(self._optimizer.state_dict())  # moves its state to where the scores are
