"""Do different seeds keep the same things? Agreement of several masks (Prasanna et al. 2020, section 4)."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.inspection.scope import countable
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.groups import Group


@dataclass(frozen=True)
class Agreement:
    """Agreement of n masks on N groups, those of the matrices that could be pruned.

    Chance is that of independent random masks with as many groups as each mask keeps in every matrix (every family of
    groups): that one matrix is kept more than another, or not pruned at all, is no agreement.

    Attributes:
        masks: n.
        groups: N.
        kept: groups that each mask keeps.
        jaccard: mean over pairs of masks of |A ∩ B| / |A ∪ B|.
        chance: the same for the expected intersections.
        fleiss_kappa: Fleiss' κ of "kept or not": 1 is full agreement, 0 that of chance; NaN where chance leaves nothing
            to agree on. Within a matrix, chance takes the counts of each mask and not their mean (Conger 1980), which
            is the same for masks of equal counts, and without bias for few groups.
        cochran_q: Cochran's Q; large where masks differ in how much they keep. None where all keep the same number: it
            is 0 then, whatever they keep.
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
    cochran_q: float | None
    cochran_p: float | None
    super_survivors: int
    never: int


def survivors(masks: Sequence[MaskSet], group: Group, known: Collection[str] = ()) -> dict[Prunable, Tensor]:
    """How many of the masks keep each group.

    Args:
        masks: masks of the same matrices, one per seed.
        group: what is looked at: single weights, heads, units, ...
        known: matrices that are known to have been pruned or spared by choice, see
            :func:`nmt_prune.inspection.scope.countable`.

    Returns:
        Counts by family, int64 of the family's shape; families of matrices that could not be pruned are left out.

    Raises:
        PruneError: fewer than two masks, masks of different matrices, or no matrix with such groups could be pruned.
    """
    alive = _alive(masks, group, known)
    return {family: torch.stack([mask[family.name] for mask in alive]).sum(dim=0) for family in alive[0].prunables}


def agreement(masks: Sequence[MaskSet], group: Group, known: Collection[str] = ()) -> Agreement:
    """Compares masks over all groups together; arguments and errors are those of :func:`survivors`."""
    alive = _alive(masks, group, known)
    keeps = torch.stack([_flat(mask) for mask in alive])
    raters, subjects = keeps.shape
    kept, votes = keeps.sum(dim=1).tolist(), keeps.sum(dim=0)
    pairs = list(combinations(range(raters), 2))
    common = [int((keeps[a] & keeps[b]).sum()) for a, b in pairs]
    by_chance = [_expected(alive[a], alive[b]) for a, b in pairs]
    q, p = _cochran(votes, kept)
    return Agreement(
        masks=raters,
        groups=subjects,
        kept=tuple(kept),
        jaccard=_mean_jaccard(common, kept, pairs),
        chance=_mean_jaccard(by_chance, kept, pairs),
        fleiss_kappa=_kappa(*(_agreeing(shared, kept, pairs, subjects) for shared in (common, by_chance))),
        cochran_q=q,
        cochran_p=p,
        super_survivors=int((votes == raters).sum()),
        never=int((votes == 0).sum()),
    )


def _alive(masks: Sequence[MaskSet], group: Group, known: Collection[str]) -> list[MaskSet]:
    if len(masks) < 2:
        raise PruneError("agreement takes two masks or more, one per seed")
    for number, other in enumerate(masks[1:], start=2):
        masks[0].check_matches(other.prunables, f"mask 1, beside mask {number},")
    counted = countable(masks, known)
    within = MaskSet({prunable: masks[0][prunable.name] for prunable in masks[0].prunables if prunable.name in counted})
    names = {family.name for family in group.alive(within).prunables}
    found = []
    for mask in masks:
        alive = group.alive(mask)
        found.append(MaskSet({family: alive[family.name] for family in alive.prunables if family.name in names}))
    return found


def _expected(first: MaskSet, second: MaskSet) -> float:
    """Groups that two independent random masks with these counts in every family would have in common."""
    return sum(first.kept(family) * second.kept(family) / family.size for family in first.prunables)


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


def _agreeing(common: Sequence[float], kept: Sequence[int], pairs: Sequence[tuple[int, int]], subjects: int) -> float:
    """Share of groups that a pair of masks both keep or both lack, mean over pairs: Fleiss 1971, equation 5."""
    agreeing = (subjects - kept[a] - kept[b] + 2 * shared for shared, (a, b) in zip(common, pairs, strict=True))
    return sum(agreeing) / (len(pairs) * subjects)


def _kappa(agreeing: float, by_chance: float) -> float:
    return (agreeing - by_chance) / (1 - by_chance) if by_chance < 1 else math.nan


def _cochran(votes: Tensor, kept: Sequence[int]) -> tuple[float, float] | tuple[None, None]:
    """Cochran 1950: Q and its p-value; None where every mask keeps the same number, which makes Q 0."""
    if len(set(kept)) == 1:
        return None, None
    raters, total = len(kept), sum(kept)
    spread = raters * total - int((votes**2).sum())
    q = (raters - 1) * (raters * sum(count**2 for count in kept) - total**2) / spread
    # The upper tail of χ² with k degrees of freedom is the regularised upper gamma function Q(k/2, x/2).
    return q, float(torch.special.gammaincc(torch.tensor((raters - 1) / 2).double(), torch.tensor(q / 2).double()))
