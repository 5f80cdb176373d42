"""Attention heads."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nmt_prune.errors import PruneError
from nmt_prune.groups import Group, Membership, family, groups, sublayer_name
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable


@groups.register("head")
@dataclass(frozen=True)
class Head(Group):
    """Head h: its rows of the query, key and value projections and its columns of the output projection (Michel 2019).

    A pruned head contributes nothing; the bias of the output projection belongs to no head and stays.

    Args:
        empty_cross_attention: allow a decoder layer to lose every head that looks at the source. Cross-attention is
            the most fragile of the three kinds (Michel 2019, Voita 2019).
    """

    empty_cross_attention: bool = False

    def membership(self, prunable: Prunable, among: Sequence[Prunable]) -> Membership | None:
        if prunable.block not in ("self_attn", "encoder_attn"):
            return None
        is_output = prunable.matrix == "out_proj"
        width = prunable.shape[1] if is_output else prunable.shape[0]
        size = self.head_dim.get(prunable.stack, 0)
        if not size or width % size:
            raise PruneError(
                f"group head: {prunable.name} of width {width} does not divide into heads of {size or 'unknown'}"
                " width; use the checkpoint of a Transformer with its configuration"
            )
        heads = family(prunable, sublayer_name(prunable), "heads", 1, width // size)
        ids = torch.arange(width) // size
        return Membership(heads, ids[None, :] if is_output else ids[:, None])

    def expand(self, chosen: MaskSet, masks: MaskSet) -> MaskSet:
        for heads in chosen.prunables:
            if heads.block == "encoder_attn" and not chosen[heads.name].any() and not self.empty_cross_attention:
                raise PruneError(
                    f"group head: {heads.name} would lose all its heads, and its layer sight of the source;"
                    f" {_advice(chosen)}"
                )
        return super().expand(chosen, masks)


def _advice(chosen: MaskSet) -> str:
    """What keeps a head in every cross-attention: of the same share everywhere one where there are the fewest."""
    fewest = min(heads.size for heads in chosen.prunables if heads.block == "encoder_attn")
    allow = "allow it with empty_cross_attention=true in --group"
    if fewest == 1:
        return f"one is all that there is: {allow}"
    most = int(1e4 * (1 - 1 / fewest)) / 1e4
    return f"give --budget matrix and a --sparsity of at most {most:g}, or {allow}"
