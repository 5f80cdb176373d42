"""Single weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.groups import Group, Membership, groups


@groups.register("element")
@dataclass(frozen=True)
class Element(Group):
    """Every weight on its own: unstructured pruning (Brix 2020)."""

    def membership(self, prunable: Prunable, among: Sequence[Prunable]) -> Membership | None:
        return None

    # Weights are their own groups: nothing is collected, copied or put back.

    def members(self, prunables: Sequence[Prunable]) -> list[Prunable]:
        return list(prunables)

    def alive(self, masks: MaskSet) -> MaskSet:
        return masks

    def scores(self, scores: Mapping[str, Tensor], masks: MaskSet) -> Mapping[str, Tensor]:
        return scores

    def expand(self, chosen: MaskSet, masks: MaskSet) -> MaskSet:
        return chosen
