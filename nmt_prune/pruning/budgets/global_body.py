"""One ranking over the body, vocabulary matrices apart."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.selection import select
from nmt_prune.pruning.budgets import Budget, apportion, budgets, select_globally


@budgets.register("global-body")
@dataclass(frozen=True)
class GlobalBody(Budget):
    """Embeddings and output projection at the target sparsity each; the matrices of the body ranked together."""

    def _distribute(self, scores: Mapping[str, Tensor], alive: MaskSet, sparsity: float, count: int) -> MaskSet:
        vocabulary = [prunable for prunable in alive.prunables if not prunable.in_body]
        body = [prunable for prunable in alive.prunables if prunable.in_body]
        floors = {prunable.name: self._floor(prunable, alive, sparsity) for prunable in alive.prunables}
        body_floors = {prunable.name: floors[prunable.name] for prunable in body}
        *own, shared = apportion(
            weights=[*(prunable.size for prunable in vocabulary), sum(prunable.size for prunable in body) or 1],
            capacities=[*(alive.kept(prunable) for prunable in vocabulary), sum(map(alive.kept, body))],
            floors=[*(floors[prunable.name] for prunable in vocabulary), sum(body_floors.values())],
            count=count,
        )
        kept = select_globally(scores, alive, body_floors, shared)
        for prunable, places in zip(vocabulary, own, strict=True):
            kept |= select(scores, {prunable.name: alive.candidates(prunable)}, places)
        return MaskSet({prunable: kept[prunable.name] for prunable in alive.prunables})
