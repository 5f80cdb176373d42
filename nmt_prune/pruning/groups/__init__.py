"""Groups: what is pruned together, from single weights to heads, feed-forward units and blocks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.registry import Registry

groups: Registry["Group"] = Registry("group", __name__)

Reduction = Literal["norm", "sum", "mean", "abs-sum"]


@dataclass(frozen=True)
class Membership:
    """Which group each weight of a matrix belongs to.

    Attributes:
        family: the groups that the matrix has a part in, as if they were the weights of a matrix.
        ids: for each weight the position of its group in the family, row by row; broadcast to the matrix's shape.
    """

    family: Prunable
    ids: Tensor


@dataclass(frozen=True)
class Group(ABC):
    """Pruned together: an entry says which group each weight belongs to.

    Groups of the same kind and sublayer form a family. To a budget a family looks like a matrix and its groups like
    weights, so every budget, control and schedule works with every group. Sparsity is the share of groups that are
    gone.

    Args:
        reduce: score of a group from those of its weights: ``norm`` (root of the sum of squares), ``sum``, ``mean``, or
            ``abs-sum`` (|sum|: of signed gradient · weight products, the derivative by a gate on the whole group).
        of: the weights that count for the score: ``all``, or those of the ``output`` matrix (out_proj, fc2), where the
            sum of gradient · weight is the derivative of the loss by a gate on the group.
        normalise: whether scores are divided by their L2 norm within a family, so that families can be compared
            (Michel 2019, Prasanna 2020: per attention type and layer).
        head_dim: width of a head by stack.
    """

    reduce: Reduction = "norm"
    of: Literal["all", "output"] = "all"
    normalise: bool = False
    head_dim: Mapping[str, int] = field(default_factory=dict, kw_only=True)

    @abstractmethod
    def membership(self, prunable: Prunable, among: Sequence[Prunable]) -> Membership | None:
        """The groups of a matrix's weights.

        Args:
            prunable: the matrix.
            among: all matrices.

        Returns:
            The groups; None if this kind of group leaves the matrix alone.
        """

    def families(self, prunables: Sequence[Prunable]) -> dict[Prunable, list[tuple[Prunable, Tensor]]]:
        """All families, each with its matrices and the groups of their weights.

        Raises:
            PruneError: none of the matrices has such groups.
        """
        found: dict[Prunable, list[tuple[Prunable, Tensor]]] = {}
        for prunable in prunables:
            if membership := self.membership(prunable, prunables):
                found.setdefault(membership.family, []).append((prunable, membership.ids))
        if not found:
            raise PruneError("no matrix of the prune set has such groups; choose another group or prune set")
        return found

    def members(self, prunables: Sequence[Prunable]) -> list[Prunable]:
        """The matrices that have such groups."""
        return [prunable for prunable in prunables if self.membership(prunable, prunables)]

    def alive(self, masks: MaskSet) -> MaskSet:
        """The families' masks: a group exists as long as one of its weights does."""
        collapsed = {}
        for family, members in self.families(masks.prunables).items():
            device = masks[members[0][0].name].device
            exists = torch.zeros(family.shape, dtype=torch.bool, device=device).flatten()
            for prunable, ids in members:
                exists[ids.to(device).expand(prunable.shape)[masks.candidates(prunable)]] = True
            collapsed[family] = exists.view(family.shape)
        return MaskSet(collapsed)

    def scores(self, scores: Mapping[str, Tensor], masks: MaskSet) -> Mapping[str, Tensor]:
        """Scores of the groups by family, in float64: shape of the family.

        They are added up on the CPU: a GPU adds in whatever order, and workers would come to different masks.
        """
        reduced = {}
        for family, members in self.families(masks.prunables).items():
            total = torch.zeros(family.shape[0] * family.shape[1], dtype=torch.float64)
            sizes = torch.zeros_like(total)
            for prunable, ids in members:
                if self.of == "output" and prunable.matrix not in ("out_proj", "fc2"):
                    continue
                exists = masks.candidates(prunable).cpu()
                values = scores[prunable.name].to("cpu", torch.float64)[exists]
                positions = ids.expand(prunable.shape)[exists]
                total.index_add_(0, positions, values.square() if self.reduce == "norm" else values)
                sizes.index_add_(0, positions, torch.ones_like(values))
            if self.reduce == "norm":
                total = total.sqrt()
            elif self.reduce == "mean":
                total = total / sizes.clamp(min=1)
            elif self.reduce == "abs-sum":
                total = total.abs()
            if self.normalise:
                total = total / total.norm().clamp(min=torch.finfo(torch.float64).tiny)
            reduced[family.name] = total.view(family.shape)
        return reduced

    def expand(self, chosen: MaskSet, masks: MaskSet) -> MaskSet:
        """The masks of all matrices when only the ``chosen`` groups survive; what is pruned stays pruned."""
        expanded = {prunable: masks[prunable.name] for prunable in masks.prunables}
        for family, members in self.families(masks.prunables).items():
            survives = chosen[family.name].flatten()
            for prunable, ids in members:
                mask = masks[prunable.name]
                expanded[prunable] = mask & survives[ids.to(survives.device)].to(mask.device).expand(prunable.shape)
        return MaskSet(expanded)


def family(prunable: Prunable, name: str, kind: str, rows: int, columns: int) -> Prunable:
    """A family in the sublayer of a matrix.

    Args:
        prunable: the matrix.
        name: name of the family.
        kind: what its groups are, e.g. ``heads``.
        rows: rows of groups.
        columns: groups in a row.
    """
    return Prunable(name, (rows, columns), prunable.stack, prunable.layer, prunable.block, kind)


def sublayer_name(prunable: Prunable) -> str:
    """Name of the sublayer of a matrix, e.g. ``encoder.layers.0.self_attn`` or ``decoder.layers.1.ffn``."""
    return f"{prunable.stack}.layers.{prunable.layer}.{prunable.block}"
