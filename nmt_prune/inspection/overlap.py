"""How much two masks have in common, against chance."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt_prune.inspection.scope import countable
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable


@dataclass(frozen=True)
class Overlap:
    """Two masks of one matrix.

    Attributes:
        name: the matrix, or ``total``.
        size: weights that count.
        first: weights that the first mask keeps.
        second: weights that the second mask keeps.
        both: weights that both keep.
        expected: how many both would keep if they were independent random masks with the same counts in every matrix.
        same_sign: of those that both keep, how many have the same sign; None where there are no weights to compare.
        counted: whether the matrix could be pruned, so that it is part of the total.
    """

    name: str
    size: int
    first: int
    second: int
    both: int
    expected: float
    same_sign: int | None
    counted: bool = True

    @property
    def jaccard(self) -> float:
        """|A ∩ B| / |A ∪ B|; 1 for two empty masks."""
        union = self.first + self.second - self.both
        return self.both / union if union else 1.0

    @property
    def chance(self) -> float:
        """The Jaccard index of the expected intersection."""
        union = self.first + self.second - self.expected
        return self.expected / union if union else 1.0

    @property
    def sign_agreement(self) -> float | None:
        """Share of common survivors with the same sign; chance is one half."""
        return None if self.same_sign is None or not self.both else self.same_sign / self.both


def overlaps(
    first: MaskSet,
    second: MaskSet,
    weights: tuple[Mapping[Prunable, Tensor], Mapping[Prunable, Tensor]] | None = None,
    known: Collection[str] = (),
) -> list[Overlap]:
    """Compares two mask sets of the same matrices.

    Args:
        first: a mask set.
        second: another one.
        weights: the weights behind the two, for the agreement of signs.
        known: matrices that are known to have been pruned or spared by choice, see
            :func:`nmt_prune.inspection.scope.countable`.

    Returns:
        One entry per matrix, and last the total over those that could be pruned.

    Raises:
        PruneError: the sets are of different matrices.
    """
    first.check_matches(second.prunables, "the first mask")
    signs = None
    if weights is not None:
        signs = [{prunable.name: weight.sign() for prunable, weight in side.items()} for side in weights]
    rows, counted = [], countable([first, second], known)
    for prunable in first.prunables:
        common = first.candidates(prunable) & second[prunable.name]
        same = None
        if signs is not None:
            same = int(torch.count_nonzero(common & (signs[0][prunable.name] == signs[1][prunable.name])))
        rows.append(
            Overlap(
                name=prunable.name,
                size=prunable.size,
                first=first.kept(prunable),
                second=second.kept(prunable),
                both=int(torch.count_nonzero(common)),
                expected=first.kept(prunable) * second.kept(prunable) / prunable.size,
                same_sign=same,
                counted=prunable.name in counted,
            )
        )
    return [*rows, _total([row for row in rows if row.counted])]


def _total(rows: list[Overlap]) -> Overlap:
    return Overlap(
        name="total",
        size=sum(row.size for row in rows),
        first=sum(row.first for row in rows),
        second=sum(row.second for row in rows),
        both=sum(row.both for row in rows),
        expected=sum(row.expected for row in rows),
        same_sign=None if any(row.same_sign is None for row in rows) else sum(row.same_sign or 0 for row in rows),
    )
