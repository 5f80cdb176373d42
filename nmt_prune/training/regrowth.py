"""Dropping weights and growing others at the same density (RigL)."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.masks.selection import select
from nmt_prune.training.callback import Callback
from nmt_prune.training.masking import Masking
from nmt_prune.training.optimizer_state import final_gradients, gradients, masters


def regrown(
    weights: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor],
    alive: MaskSet,
    moving: Iterable[Prunable],
    share: float,
) -> MaskSet:
    """Drops the smallest weights of each matrix and grows as many where the loss falls fastest.

    Evci et al. 2020, algorithm 1. A weight that has just been dropped may be grown again at once, as in the original's
    code. Ties go to the first position, where the original adds noise.

    Args:
        weights: the matrices by name.
        gradients: the gradient of the loss by all weights, also by those that do not exist.
        alive: the masks.
        moving: the matrices to treat.
        share: share f of a matrix's weights to drop, rounded down to whole weights.

    Returns:
        Masks with the same count in every matrix.
    """
    masks = {prunable: alive[prunable.name] for prunable in alive.prunables}
    for prunable in moving:
        name, existing = prunable.name, alive.kept(prunable)
        dropped = int(share * existing)
        kept = select({name: weights[name].abs()}, {name: alive.candidates(prunable)}, existing - dropped)[name]
        free = ~kept
        if prunable.padding_row is not None:
            free[prunable.padding_row] = False
        masks[prunable] = kept | select({name: gradients[name].abs()}, {name: free}, dropped)[name]
    return MaskSet(masks)


class Moves(Protocol):
    """When weights move, and how many: what the schedule of RigL knows."""

    def moves_at(self, update: int) -> bool:
        """Whether weights are dropped and grown in the update that follows ``update`` others."""

    def moving_share(self, update: int) -> float:
        """The share of a matrix's weights that is dropped and grown."""


class Regrowth(Callback):
    """Moves the mask of a training while the update's step is due.

    The original takes no step in such an update. Here the weights that stay take theirs, so that the update counts like
    every other for the optimizer and the loss scale; with ``--clip-norm`` it is clipped by the norm of all gradients.
    Grown weights are 0 with moments of 0 and take no step; those dropped and grown at once lose nothing.

    Args:
        masking: the masks of the model.
        moving: the matrices that take part.
        schedule: when, and how much.
        agree: checks that all data-parallel workers have the same masks.
    """

    def __init__(
        self, masking: Masking, moving: Iterable[Prunable], schedule: Moves, agree: Callable[[MaskSet, str], None]
    ) -> None:
        self._masking = masking
        self._moving = {prunable.name for prunable in moving}
        self._schedule = schedule
        self._agree = agree

    def needs_dense_gradients(self, update: int) -> bool:
        return self._schedule.moves_at(update)

    @torch.no_grad()
    def before_step(self, optimizer: Any, update: int) -> None:
        if not self._schedule.moves_at(update):
            return
        parameters = self._masking.parameters_by_matrix
        names, tensors = [prunable.name for prunable in parameters], list(parameters.values())
        slopes = dict(zip(names, gradients(optimizer, tensors), strict=True))
        masks = before = self._masking.masks
        # After an overflow under --amp there is no step, and the update is repeated.
        if all(bool(slope.isfinite().all()) for slope in slopes.values()):
            weights = dict(zip(names, masters(optimizer, tensors), strict=True))
            moving = [prunable for prunable in before.prunables if prunable.name in self._moving]
            masks = regrown(weights, slopes, before, moving, self._schedule.moving_share(update))
            self._agree(masks, f"masks at update {update}")
        for name, gradient in zip(names, final_gradients(optimizer, tensors), strict=True):
            if gradient is not None:
                gradient.mul_(before[name] & masks[name])
        self._masking.replace(masks)
        # What is grown needs no zeros: weights, master copies and moments outside a mask are zero all along.
        self._masking.mask_optimizer(optimizer)
