"""Resets: what the surviving weights become before training goes on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.registry import Registry

resets: Registry["Reset"] = Registry("reset", __name__)


@dataclass(frozen=True)
class Reset:
    """Turns a mask into a ticket's weights: by default those of the rewind point.

    An entry says where all weights come from (:meth:`base`) and what the survivors of each matrix become
    (:meth:`survivors`). Biases and layer norms follow the base.

    Args:
        seed: seed of whatever is drawn.
    """

    needs_rewind_point: ClassVar[bool] = True
    seed: int = field(default=1, kw_only=True)

    def base(self, trained: Mapping[str, Tensor], rewind_point: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The state dict that everything starts from."""
        return rewind_point

    def survivors(self, prunable: Prunable, weight: Tensor, mask: Tensor) -> Tensor:
        """The values of one matrix; only those under the mask are used.

        Args:
            prunable: the matrix.
            weight: its weights in the base, float32, (rows, columns).
            mask: which weights survive, without the padding row, which stays that of the base.
        """
        return weight

    def apply(
        self, masks: MaskSet, trained: Mapping[str, Tensor], rewind_point: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """The weights of the ticket, in float32, zero where a mask removes them.

        Args:
            masks: the masks.
            trained: state dict of the trained model, θ_T.
            rewind_point: state dict of the rewind point, θ_0 or θ_t; the same as ``trained`` where there is none.
        """
        base = self.base(trained, rewind_point)
        weights = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in base.items()}
        for prunable in masks.prunables:
            weight, mask = weights[prunable.name], masks.candidates(prunable)
            # Not a product: 0 · inf and 0 · nan are no zeros.
            ticket = torch.where(mask, self.survivors(prunable, weight, mask), torch.zeros(()))
            if prunable.padding_row is not None:
                ticket[prunable.padding_row] = weight[prunable.padding_row]
            weights.update(dict.fromkeys(prunable.names, ticket))
        return weights
