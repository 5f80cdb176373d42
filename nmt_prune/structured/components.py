"""Components: heads, feed-forward sublayers or units, or single weights, that a search ranks and counts together."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from nmt_prune.budgets import select_globally
from nmt_prune.errors import PruneError
from nmt_prune.groups import Group
from nmt_prune.groups.head import Head
from nmt_prune.masks.mask_set import MaskSet, overlay
from nmt_prune.masks.prunable import Prunable

_BLOCKS = {"self_attn": "self-attention", "encoder_attn": "cross-attention", "ffn": "FFN"}
_UNITS = {"heads": "heads", "units": "units", "layers": "sublayers"}


@dataclass(frozen=True)
class Components:
    """All components of one sort.

    Attributes:
        name: what they are called, e.g. ``heads``.
        group: what makes a component.
        blocks: the sublayers that they are in: ``self_attn``, ``encoder_attn``, ``ffn``.
    """

    name: str
    group: Group
    blocks: tuple[str, ...]

    def alive(self, masks: MaskSet) -> MaskSet:
        """Which components exist, by family."""
        return self.group.alive(self._within(masks))

    def total(self, masks: MaskSet) -> int:
        """Number of components of the architecture, pruned ones included."""
        return sum(family.size for family in self.alive(masks).prunables)

    def left(self, masks: MaskSet) -> int:
        """Number of components that exist."""
        alive = self.alive(masks)
        return sum(map(alive.kept, alive.prunables))

    def removable(self, masks: MaskSet) -> int:
        """Number of components that may be pruned."""
        alive = self.alive(masks)
        return sum(alive.kept(family) - self._reserved(family, alive) for family in alive.prunables)

    def by_kind(self, masks: MaskSet) -> dict[str, int]:
        """Number of components that exist, by kind (stack and type of sublayer)."""
        alive = self.alive(masks)
        return {kind: sum(map(alive.kept, families)) for kind, families in _kinds(alive).items()}

    def prune(self, masks: MaskSet, scores: Mapping[str, Tensor], count: int) -> MaskSet:
        """Prunes the ``count`` components with the lowest scores, wherever they are.

        Args:
            masks: the masks so far.
            scores: a score per weight, by matrix.
            count: at most as many as are removable.
        """
        within = self._within(masks)
        alive = self.group.alive(within)
        kept = self._keep(alive, self.group.scores(scores, within), alive.prunables, self.left(masks) - count)
        return self._expand(kept, alive, masks)

    def redraw(self, masks: MaskSet, like: MaskSet, scores: Mapping[str, Tensor]) -> MaskSet:
        """Keeps as many components of each kind as another subnetwork has: those with the highest scores.

        Args:
            masks: what to choose among.
            like: the other subnetwork of the same masks.
            scores: a score per component, by family.
        """
        alive, wanted = self.alive(masks), self.by_kind(like)
        kept: dict[str, Tensor] = {}
        for kind, families in _kinds(alive).items():
            kept |= self._keep(alive, scores, families, wanted[kind])
        return self._expand(kept, alive, masks)

    def _keep(
        self, alive: MaskSet, scores: Mapping[str, Tensor], families: tuple[Prunable, ...] | list[Prunable], count: int
    ) -> dict[str, Tensor]:
        floors = {family.name: self._reserved(family, alive) for family in families}
        return select_globally(scores, alive, floors, count)

    def _reserved(self, family: Prunable, alive: MaskSet) -> int:
        """A decoder layer without cross-attention does not see the source: its best head stays unless asked."""
        is_protected = isinstance(self.group, Head) and not self.group.empty_cross_attention
        return min(1, alive.kept(family)) if is_protected and family.block == "encoder_attn" else 0

    def _within(self, masks: MaskSet) -> MaskSet:
        chosen = {prunable: masks[prunable.name] for prunable in masks.prunables if prunable.block in self.blocks}
        if not chosen:
            raise PruneError(f"the model has no {self.name}: none of its matrices is in {', '.join(self.blocks)}")
        return MaskSet(chosen)

    def _expand(self, kept: Mapping[str, Tensor], alive: MaskSet, masks: MaskSet) -> MaskSet:
        chosen = MaskSet({family: kept[family.name] for family in alive.prunables})
        return overlay(masks, self.group.expand(chosen, self._within(masks)))


def _kinds(alive: MaskSet) -> dict[str, list[Prunable]]:
    found: dict[str, list[Prunable]] = {}
    for family in alive.prunables:
        block = _BLOCKS[family.block.rsplit(".", maxsplit=1)[-1]]
        found.setdefault(f"{family.stack} {block} {_UNITS.get(family.matrix, 'weights')}", []).append(family)
    return found
