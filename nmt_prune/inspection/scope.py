"""What masks could have pruned: where nothing could go, that all masks keep it is no agreement."""

from collections.abc import Collection, Sequence

from nmt_prune.masks.mask_set import MaskSet


def countable(masks: Sequence[MaskSet], known: Collection[str] = ()) -> frozenset[str]:
    """The matrices over which the agreement of masks is measured.

    Args:
        masks: masks of the same matrices.
        known: matrices of which something says that they could be pruned.

    Returns:
        Names of these and of all in which a mask lacks a weight; where there are none, of all matrices.
    """
    touched = {prunable.name for mask in masks for prunable in mask.prunables if mask.kept(prunable) < prunable.size}
    return frozenset(touched.union(known) or masks[0])
