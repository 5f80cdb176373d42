"""Good, random and bad subnetworks of the same size (Prasanna et al. 2020, section 5).

All three have as many components of each kind: heads of the encoder, of the decoder's self-attention and of its
cross-attention, feed-forward sublayers or units of either stack; weights of these sublayers in m-pruning. Components
of a kind have equally many weights, those of different kinds may not, so equal counts per kind are equal sizes, before
and after ``nmt-prune shrink``. And with the kinds fixed, a difference in BLEU says *which* heads matter, not that
cross-attention matters more than self-attention.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.pruning.groups.element import Element
from nmt_prune.randomness import generator
from nmt_prune.subnetworks.components import Components

SUBNETWORKS = ("good", "random", "bad")


def random_subnetwork(good: MaskSet, start: MaskSet, parts: Sequence[Components], seed: int) -> MaskSet:
    """Components drawn at random, exactly as many of each kind as the good subnetwork has.

    The original draws each with the probability of being kept, so that the size is right only in expectation.

    Args:
        good: the good subnetwork.
        start: masks before the search, which it chose among.
        parts: the components that were pruned.
        seed: seed of the draw.
    """
    for components in parts:
        start = components.redraw(start, good, _drawn(components.alive(start), seed, "random subnetwork"))
    return start


def bad_subnetwork(
    good: MaskSet, start: MaskSet, parts: Sequence[Components], importance: Mapping[str, Tensor], seed: int
) -> MaskSet:
    """What the search pruned, exactly as many components of each kind as the good subnetwork has.

    Heads and feed-forward components: all that were pruned and, if these are too few, good ones drawn at random; if
    they are too many, as many of them, drawn at random. Single weights (m-pruning): the largest are pruned instead of
    the smallest.

    Args:
        good: the good subnetwork.
        start: masks before the search.
        parts: the components that were pruned.
        importance: a score per weight by matrix, before the search; used for single weights only.
        seed: seed of the draw.
    """
    for components in parts:
        scores: Mapping[str, Tensor]
        if isinstance(components.group, Element):
            scores = {name: -importance[name] for name in components.alive(start)}
        else:
            survives, drawn = components.alive(good), _drawn(components.alive(start), seed, "bad subnetwork")
            scores = {name: draw + (~survives[name]).float() for name, draw in drawn.items()}
        start = components.redraw(start, good, scores)
    return start


def _drawn(alive: MaskSet, seed: int, purpose: str) -> dict[str, Tensor]:
    return {
        family.name: torch.rand(family.shape, generator=generator(seed, purpose, family.name))
        for family in alive.prunables
    }
