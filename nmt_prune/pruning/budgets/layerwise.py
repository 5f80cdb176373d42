"""One sublayer after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.budgets import Budget, apportion, budgets, kept_count, select_counts

_BLOCKS = ("self_attn", "encoder_attn", "ffn")


@budgets.register("layerwise")
@dataclass(frozen=True)
class Layerwise(Budget):
    """The same sparsity in every matrix or family of groups, one after the other (Zhang, Colbert & Das 2022).

    A sparsity below the final one is that of a network whose first matrices or families are pruned to their final count
    while the others are as they were. Order: the encoder's layers, then the decoder's; in a layer self-attention,
    cross-attention, feed-forward. Shares are rounded one after the other, so that they do not depend on how many are
    pruned already, and nothing that exists is emptied.

    Args:
        remeasure: whether scores are measured anew on the network pruned so far before each matrix or family (the
            original's greedy method) or once, on the dense one (its one-shot baseline).
        final: sparsity that pruning ends with; None: the one asked for.
    """

    ranks_matrices = False

    remeasure: bool = True
    final: float | None = field(default=None, kw_only=True)

    def stages(self, alive: MaskSet, sparsity: float) -> Sequence[float]:
        total = sum(prunable.size for prunable in alive.prunables)
        left = sum(alive.kept(prunable) for prunable in alive.prunables)
        if not self.remeasure or not 0 <= sparsity < 1 or not 0 < kept_count(total, sparsity) < left:
            return [sparsity]
        found = []
        for prunable, count in self._final_counts(alive, sparsity).items():
            left -= alive.kept(prunable) - count
            if alive.kept(prunable) > count and left > kept_count(total, sparsity):
                found.append(1 - left / total)
        return [*found, sparsity]

    def _distribute(self, scores: Mapping[str, Tensor], alive: MaskSet, sparsity: float, count: int) -> MaskSet:
        surplus = sum(alive.kept(prunable) for prunable in alive.prunables) - count
        counts = {}
        for prunable, places in self._final_counts(alive, sparsity).items():
            removed = min(alive.kept(prunable) - places, surplus)
            counts[prunable.name] = alive.kept(prunable) - removed
            surplus -= removed
        return select_counts(scores, alive, counts)

    def _final_counts(self, alive: MaskSet, sparsity: float) -> dict[Prunable, int]:
        """The survivors of each matrix or family once all are pruned, in the order of pruning."""
        waiting = sorted(alive.prunables, key=_position)
        final = sparsity if self.final is None else max(self.final, sparsity)
        left = kept_count(sum(prunable.size for prunable in waiting), final)
        counts = {}
        while waiting:
            first, *_ = waiting
            existing = [alive.kept(prunable) for prunable in waiting]
            counts[first] = apportion(
                weights=[prunable.size for prunable in waiting],
                capacities=existing,
                floors=[
                    max(self._floor(prunable, alive, final), min(1, kept))
                    for prunable, kept in zip(waiting, existing, strict=True)
                ],
                count=left,
            )[0]
            left -= counts[first]
            waiting = waiting[1:]
        return counts


def _position(prunable: Prunable) -> tuple[int, ...]:
    """Where in the network a matrix or family is; those of one sublayer keep their order."""
    if prunable.name.endswith("output_projection.weight"):  # of a family of blocks, too
        return (2,)
    block = _BLOCKS.index(prunable.block) if prunable.block in _BLOCKS else -1
    return (prunable.stack == "decoder", -1 if prunable.layer is None else prunable.layer, block)
