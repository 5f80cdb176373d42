"""Control masks: as many weights in every matrix as the real mask has, but others."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.selection import select
from nmt_prune.randomness import generator

MaskControl = Literal["none", "shuffled", "inverted"]


def control(name: str, masks: MaskSet, alive: MaskSet, scores: Mapping[str, Tensor], seed: int) -> MaskSet:
    """Replaces masks by their control.

    Args:
        name: ``none``; ``shuffled``: the weights of each matrix are drawn at random (layerwise shuffling, Frankle
            2020); ``inverted``: those with the *lowest* scores survive ("bad" subnetworks, Prasanna 2020).
        masks: the real masks.
        alive: the masks before pruning; controls choose among these weights.
        scores: the scores behind the real masks.
        seed: seed of the shuffling.

    Raises:
        PruneError: unknown control.
    """
    if name == "none":
        return masks
    if name not in ("shuffled", "inverted"):
        raise PruneError(f"unknown mask control {name!r}; known: none, shuffled, inverted")
    chosen = {}
    for prunable in masks.prunables:
        key = prunable.name
        if name == "shuffled":
            score = torch.rand(prunable.shape, generator=generator(seed, "shuffled mask", key))
        else:
            score = -scores[key]
        chosen[prunable] = select({key: score}, {key: alive.candidates(prunable)}, masks.kept(prunable))[key]
    return MaskSet(chosen)
