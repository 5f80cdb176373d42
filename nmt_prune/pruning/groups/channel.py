"""Attention heads and feed-forward units together."""

from collections.abc import Sequence
from dataclasses import dataclass

from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.groups import Membership, groups
from nmt_prune.pruning.groups.head import Head
from nmt_prune.pruning.groups.unit import Unit


@groups.register("channel")
@dataclass(frozen=True)
class Channel(Head):
    """Heads and feed-forward units: all that can go without narrowing the residual connections.

    Sparsity is the share of heads and units taken together, so a budget that ranks them all in one needs
    ``normalise=true``.
    """

    def membership(self, prunable: Prunable, among: Sequence[Prunable]) -> Membership | None:
        return super().membership(prunable, among) or Unit().membership(prunable, among)
