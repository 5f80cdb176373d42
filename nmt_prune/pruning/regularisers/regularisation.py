"""A regulariser at work in a training."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, distributed, nn

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.groups import Group
from nmt_prune.pruning.groups.element import Element
from nmt_prune.pruning.regularisers import Regulariser
from nmt_prune.training.callback import Callback
from nmt_prune.training.masking import Masking
from nmt_prune.training.optimizer_state import masters

NEGLIGIBLE = 1e-5
"""Groups with a smaller norm count as gone (Yang, He & Fan 2020); see the budget ``threshold``."""


class Regularisation(Callback):
    """Penalises the groups of a model until its mask is final.

    Args:
        regulariser: the penalty.
        group: what its groups are.
        parameters: the matrices of the prune set.
        until: update at which the mask is final; 0: the penalty lasts as long as the training.
        masking: the masks; what earlier rungs of a ladder have removed is no group any more. None: all groups exist.

    Raises:
        PruneError: single weights are no groups, or no matrix has such groups.
    """

    def __init__(
        self,
        regulariser: Regulariser,
        group: Group,
        parameters: Mapping[Prunable, nn.Parameter],
        until: int = 0,
        masking: Masking | None = None,
    ) -> None:
        if isinstance(group, Element):
            raise PruneError("--regulariser penalises groups of weights: say which with --group, e.g. unit or block")
        self._regulariser, self._until = regulariser, until
        self._group, self._prunables, self._masking, self._revision = group, tuple(parameters), masking, -1
        self._is_on = True
        self._families = [
            _Family(family, [parameters[prunable] for prunable, _ in members], [ids for _, ids in members])
            for family, members in group.families(tuple(parameters)).items()
        ]

    def before_forward(self, update: int) -> None:
        self._is_on = not self._until or update < self._until
        self._follow_the_masks()

    def _follow_the_masks(self) -> None:
        if self._masking is None or self._masking.revision == self._revision:
            return
        self._revision, masks = self._masking.revision, self._masking.masks
        alive = self._group.alive(MaskSet({prunable: masks[prunable.name] for prunable in self._prunables}))
        for family in self._families:
            family.exists = alive.candidates(family.groups).flatten()

    def penalty(self) -> Tensor | None:
        if not self._is_on or self._regulariser.step != "loss":
            return None
        return self._regulariser.strength * self._value()

    @torch.no_grad()
    def after_step(self, optimizer: Any, update: int) -> None:
        if not self._is_on or self._regulariser.step != "proximal":
            return
        limit = optimizer.get_lr() * self._regulariser.strength
        for family in self._families:
            weights = masters(optimizer, family.parameters)
            if any(weight.dtype != torch.float32 for weight in weights):
                raise PruneError(
                    "step=proximal shrinks weights by less than half precision can tell, and --memory-efficient-fp16"
                    " and --memory-efficient-bf16 have no others; train with --fp16, --bf16 or --amp, or take step=loss"
                )
            norms = family.norms(weights)
            if distributed.is_initialized():
                # Sums on a GPU differ in their last bit between workers, whose weights must not.
                distributed.broadcast(norms, 0)
            kept = (1 - limit / norms.clamp(min=torch.finfo(norms.dtype).tiny)).clamp(min=0)
            factors = torch.ones_like(norms)
            exists = family.exists.to(norms.device)
            factors[exists] = torch.where(self._regulariser.shrinks(norms[exists]), kept[exists], 1.0)
            family.scale(weights, factors)

    @torch.no_grad()
    def unready(self, going: MaskSet) -> float:
        norms = torch.cat([family.norms(family.parameters) for family in self._families])
        removed = torch.cat([going.candidates(family.groups).flatten() for family in self._families])
        return float((norms[removed] >= NEGLIGIBLE).float().mean()) if removed.any() else 0.0

    @torch.no_grad()
    def statistics(self) -> dict[str, float]:
        """``penalty``: λ · R; ``negligible_groups``: share of groups whose norm is below 1e-5."""
        norms = torch.cat([family.existing_norms() for family in self._families])
        return {
            "penalty": self._regulariser.strength * float(self._value()),
            "negligible_groups": float((norms < NEGLIGIBLE).float().mean()),
        }

    def _value(self) -> Tensor:
        return torch.stack([self._regulariser.penalty(family.existing_norms()) for family in self._families]).sum()


class _Family:
    """The groups of one family, wherever its parameters move."""

    def __init__(self, groups: Prunable, parameters: list[nn.Parameter], ids: list[Tensor]) -> None:
        self.groups, self.parameters, self._ids = groups, parameters, ids
        self.exists = MaskSet.dense([groups]).candidates(groups).flatten()

    def existing_norms(self) -> Tensor:
        """L2 norms of the groups that exist, with their graph."""
        norms = self.norms(self.parameters)
        return norms[self.exists.to(norms.device)]

    def norms(self, weights: Sequence[Tensor]) -> Tensor:
        """L2 norms of the groups in float32; the gradient of a group of zeros is 0."""
        squares = torch.zeros(len(self.exists), device=weights[0].device)
        for weight, ids in zip(weights, self._placed(weights[0].device), strict=True):
            values = weight.float().square()
            # A matrix whose rows (or columns) lie in one group each needs no number for each weight.
            alike = [dimension for dimension, size in enumerate(ids.shape) if size == 1]
            values = values.sum(alike, keepdim=True) if alike else values
            squares = squares.index_add(0, ids.flatten(), values.flatten())
        exists = squares > 0
        return torch.where(exists, torch.where(exists, squares, 1.0).sqrt(), 0.0)

    def scale(self, weights: Sequence[Tensor], factors: Tensor) -> None:
        """Multiplies master copies by their group's factor, and the parameters follow."""
        for weight, parameter, ids in zip(weights, self.parameters, self._placed(factors.device), strict=True):
            weight.mul_(factors[ids])
            parameter.copy_(weight)

    def _placed(self, device: torch.device) -> list[Tensor]:
        self._ids = [ids.to(device) for ids in self._ids]
        return self._ids
