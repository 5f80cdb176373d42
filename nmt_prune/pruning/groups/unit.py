"""Hidden units of the feed-forward sublayers."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.groups import Group, Membership, family, groups, sublayer_name


@groups.register("unit")
@dataclass(frozen=True)
class Unit(Group):
    """Unit j: row j of fc1 and column j of fc2, which only make sense together (Behnke & Heafield 2021)."""

    def membership(self, prunable: Prunable, among: Sequence[Prunable]) -> Membership | None:
        if prunable.matrix not in ("fc1", "fc2"):
            return None
        is_output = prunable.matrix == "fc2"
        width = prunable.shape[1] if is_output else prunable.shape[0]
        units = family(prunable, sublayer_name(prunable), "units", 1, width)
        ids = torch.arange(width)
        return Membership(units, ids[None, :] if is_output else ids[:, None])
