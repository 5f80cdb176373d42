"""Saliencies that are learned while training."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable, PruneSet, restrict
from nmt_prune.pruning.groups import Group
from nmt_prune.pruning.saliency import Saliency, saliencies
from nmt_prune.pruning.schedules import Schedule
from nmt_prune.training.callback import Substitution
from nmt_prune.training.masking import Masking


class Finder(Protocol):
    """How masks are found from scores: what a learner needs of a pruner."""

    @property
    def group(self) -> Group:
        """What is pruned together."""

    @property
    def prune_set(self) -> PruneSet:
        """Which matrices may be pruned."""

    def prune_by(
        self,
        scores: Mapping[str, Tensor],
        weights: Mapping[Prunable, Tensor],
        alive: MaskSet,
        sparsity: float,
        group: Group | None = None,
    ) -> MaskSet:
        """Prunes to a sparsity by scores that are given."""

    def pruned_share(self, masks: MaskSet) -> float:
        """Share of the prune set's groups that are gone."""


@dataclass(frozen=True)
class LearnedSaliency(Saliency):
    """Scores that come into being while a model is trained.

    Until the schedule has settled the forward pass sees masked or gated weights in place of the trained ones, and
    nothing new is held at zero: every weight may come back. Then the masks become ordinary ones, and training goes on.
    """

    is_learned: ClassVar[bool] = True

    can_be_averaged: ClassVar[bool] = False
    """Whether an average of the trained weights (``--store-ema``) is of use once the mask is held."""

    shows_masks: ClassVar[bool] = False
    """Whether the mask of the forward pass is known at any time, and not only how weights are gated."""

    @property
    def name(self) -> str:
        """The name under which it is registered."""
        return next(name for name, entry in saliencies.entries().items() if entry is type(self))

    def is_unfinished(self, state: Mapping[str, Any]) -> bool:
        """Whether the masks beside the saved state of a learner are not held yet, but seen by the forward pass alone.

        Args:
            state: what :class:`UntilSettled` saved; empty where there is none.
        """
        return "hidden" in state

    def has_settled(self, state: Mapping[str, Any]) -> bool:
        """Whether the masks beside the saved state of a learner are final though their sparsity may be another."""
        return False

    def score_matrix(self, prunable: Prunable, weight: Tensor) -> Tensor:
        raise PruneError(
            f"saliency {self.name} is learned while training: it needs fairseq-train, and a schedule that changes the"
            " mask, e.g. --schedule cubic"
        )

    def check(self, group: Group, schedule: Schedule) -> None:
        """Checks what it is used with.

        Raises:
            PruneError: the schedule leaves no time to learn, or the group cannot use such scores.
        """
        if schedule.settled_at <= 0 or schedule.final <= schedule.sparsity(0):
            raise PruneError(
                f"saliency {self.name} is learned while training: choose a schedule that changes the mask, e.g."
                " --schedule cubic, and a --sparsity above that of the start"
            )

    @abstractmethod
    def learner(self, masking: Masking, pruner: Finder, schedule: Schedule) -> "UntilSettled":
        """What learns the scores.

        Args:
            masking: the masks of the model to train.
            pruner: how masks are found from scores.
            schedule: until when.
        """


@dataclass(frozen=True)
class Given(Saliency):
    """Scores that exist already.

    Args:
        values: a score per weight, by matrix.
    """

    values: Mapping[str, Tensor] = field(default_factory=dict, kw_only=True)

    def score_matrix(self, prunable: Prunable, weight: Tensor) -> Tensor:
        return self.values[prunable.name]


class UntilSettled(Substitution):
    """Puts weights in place of the trained ones until the schedule has settled; afterwards it does nothing.

    Args:
        masking: the masks of the model.
        pruner: how masks are found; what is replaced is its prune set.
        schedule: until when, and to which sparsity.
    """

    def __init__(self, masking: Masking, pruner: Finder, schedule: Schedule) -> None:
        chosen = restrict(masking.parameters_by_matrix, pruner.prune_set)
        super().__init__({prunable: masking.parameters_by_matrix[prunable] for prunable in chosen})
        self.masking, self.pruner, self.schedule = masking, pruner, schedule
        self.settled_at = schedule.settled_at
        self.updates = 0

    @property
    def is_settled(self) -> bool:
        """Whether the masks are ordinary ones by now."""
        return self.updates >= self.settled_at

    def before_forward(self, update: int) -> None:
        self.updates = update
        super().before_forward(update)

    def after_step(self, optimizer: Any, update: int) -> None:
        self.updates = update

    @torch.no_grad()
    def _put(self, update: int | None) -> None:
        if not self.is_settled:
            super()._put(update)
