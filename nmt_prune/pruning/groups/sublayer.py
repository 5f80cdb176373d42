"""Whole sublayers and whole layers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.groups import Group, Membership, family, groups


@groups.register("sublayer")
@dataclass(frozen=True)
class Sublayer(Group):
    """An attention or feed-forward sublayer; the layers of a stack compete for each kind (Prasanna 2020: MLPs)."""

    def membership(self, prunable: Prunable, among: Sequence[Prunable]) -> Membership | None:
        return _membership(prunable, f"{prunable.stack}.{prunable.block}", among)


@groups.register("layer")
@dataclass(frozen=True)
class Layer(Group):
    """All matrices of a layer; the layers of a stack compete. The residual connections of a removed layer remain."""

    def membership(self, prunable: Prunable, among: Sequence[Prunable]) -> Membership | None:
        return _membership(prunable, prunable.stack, among)


def _membership(prunable: Prunable, name: str, among: Sequence[Prunable]) -> Membership | None:
    if prunable.layer is None:
        return None
    layers = 1 + max(other.layer for other in among if other.stack == prunable.stack and other.layer is not None)
    competing = replace(family(prunable, name, "layers", 1, layers), layer=None, block=name)
    return Membership(competing, torch.tensor([[prunable.layer]]))
