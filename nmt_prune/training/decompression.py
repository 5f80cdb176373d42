"""Giving pruned weights back: the dense phases of AC/DC."""

from collections.abc import Callable, Iterable

import torch

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.training.callback import Callback
from nmt_prune.training.masking import Masking


class Decompression(Callback):
    """Drops the masks where the schedule asks for none.

    Weights and moments outside a mask are zero all along, so that those given back begin at 0 and without momentum.

    Args:
        masking: the masks of the model.
        returning: the matrices that take part.
        sparsity: that of the schedule after so many updates.
    """

    def __init__(self, masking: Masking, returning: Iterable[Prunable], sparsity: Callable[[int], float]) -> None:
        self._masking = masking
        self._returning = {prunable.name for prunable in returning}
        self._sparsity = sparsity

    def masks(self, update: int) -> MaskSet | None:
        if self._sparsity(update):
            return None
        held = self._masking.masks
        return MaskSet(
            {
                prunable: torch.ones_like(held[prunable.name])
                if prunable.name in self._returning
                else held[prunable.name]
                for prunable in held.prunables
            }
        )
