"""Do different seeds keep the same things? Agreement of several masks (Prasanna et al. 2020, section 4)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.groups import Group
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable


@dataclass(frozen=True)
class Agreement:
    """Agreement of n masks on N groups.

    Attributes:
        masks: n.
        groups: N.
        kept: groups that each mask keeps.
        jaccard: mean over pairs of masks of |A ∩ B| / |A ∪ B|.
        chance: the same for independent random masks with these counts.
        fleiss_kappa: Fleiss' κ of "kept or not": 1 is full agreement, 0 that of chance; NaN where nothing or
            everything is kept.
        cochran_q: Cochran's Q; large where masks differ in how much they keep.
        cochran_p: its p-value by the χ² distribution with n − 1 degrees of freedom.
        super_survivors: groups that every mask keeps.
        never: groups that no mask keeps.
    """

    masks: int
    groups: int
    kept: tuple[int, ...]
    jaccard: float
    chance: float
    fleiss_kappa: float
    cochran_q: float
    cochran_p: float
    super_survivors: int
    never: int


def survivors(masks: Sequence[MaskSet], group: Group) -> dict[Prunable, Tensor]:
    """How many of the masks keep each group.

    Args:
        masks: masks of the same matrices, one per seed.
        group: what is looked at: single weights, heads, units, ...

    Returns:
        Counts by family, int64 of the family's shape.

    Raises:
        PruneError: fewer than two masks, or masks of different matrices.
    """
    alive = _alive(masks, group)
    return {family: torch.stack([mask[family.name] for mask in alive]).sum(dim=0) for family in alive[0].prunables}


def agreement(masks: Sequence[MaskSet], group: Group) -> Agreement:
    """Compares masks over all groups together; arguments and errors are those of :func:`survivors`."""
    keeps = torch.stack([_flat(mask) for mask in _alive(masks, group)])
    raters, subjects = keeps.shape
    kept, votes = keeps.sum(dim=1).tolist(), keeps.sum(dim=0)
    pairs = list(combinations(range(raters), 2))
    common = [int((keeps[a] & keeps[b]).sum()) for a, b in pairs]
    by_chance = [kept[a] * kept[b] / subjects for a, b in pairs]
    q, p = _cochran(votes, kept)
    return Agreement(
        masks=raters,
        groups=subjects,
        kept=tuple(kept),
        jaccard=_mean_jaccard(common, kept, pairs),
        chance=_mean_jaccard(by_chance, kept, pairs),
        fleiss_kappa=_fleiss(votes, raters),
        cochran_q=q,
        cochran_p=p,
        super_survivors=int((votes == raters).sum()),
        never=int((votes == 0).sum()),
    )


def _alive(masks: Sequence[MaskSet], group: Group) -> list[MaskSet]:
    if len(masks) < 2:
        raise PruneError("agreement takes two masks or more, one per seed")
    for number, other in enumerate(masks[1:], start=2):
        masks[0].check_matches(other.prunables, f"mask 1, beside mask {number},")
    return [group.alive(mask) for mask in masks]


def _flat(mask: MaskSet) -> Tensor:
    """All groups in a row, without padding rows, which every mask keeps by definition."""
    rows = []
    for family in mask.prunables:
        keeps = mask[family.name]
        if family.padding_row is not None:
            keeps = torch.cat([keeps[: family.padding_row], keeps[family.padding_row + 1 :]])
        rows.append(keeps.flatten())
    return torch.cat(rows)


def _mean_jaccard(common: Sequence[float], kept: Sequence[int], pairs: Sequence[tuple[int, int]]) -> float:
    unions = [kept[a] + kept[b] - shared for shared, (a, b) in zip(common, pairs, strict=True)]
    return sum(shared / union if union else 1.0 for shared, union in zip(common, unions, strict=True)) / len(pairs)


def _fleiss(votes: Tensor, raters: int) -> float:
    """Fleiss 1971, equations 5 to 9, with the two categories kept and not kept."""
    votes = votes.double()
    per_subject = (votes**2 + (raters - votes) ** 2 - raters) / (raters * (raters - 1))
    share = float(votes.mean()) / raters
    by_chance = share**2 + (1 - share) ** 2
    return (float(per_subject.mean()) - by_chance) / (1 - by_chance) if by_chance < 1 else math.nan


def _cochran(votes: Tensor, kept: Sequence[int]) -> tuple[float, float]:
    """Cochran 1950: Q and its p-value; 0 and 1 where every mask keeps all or the same as the others."""
    raters, total = len(kept), sum(kept)
    spread = raters * total - int((votes**2).sum())
    if spread == 0:
        return 0.0, 1.0
    q = (raters - 1) * (raters * sum(count**2 for count in kept) - total**2) / spread
    # The upper tail of χ² with k degrees of freedom is the regularised upper gamma function Q(k/2, x/2).
    return q, float(torch.special.gammaincc(torch.tensor((raters - 1) / 2).double(), torch.tensor(q / 2).double()))
