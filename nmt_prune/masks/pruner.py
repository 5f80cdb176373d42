"""From weights to masks: a saliency, a budget, a prune set and a control together."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from nmt_prune.budgets import Budget
from nmt_prune.groups import Group
from nmt_prune.groups.element import Element
from nmt_prune.masks.controls import control
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable, PruneSet, restrict
from nmt_prune.saliency import Saliency


@dataclass(frozen=True)
class Pruner:
    """Computes masks.

    Attributes:
        saliency: what a weight is worth.
        budget: how many survive where.
        group: what is pruned together; sparsity is the share of groups that are gone.
        prune_set: which matrices may be pruned; sparsity is counted over these.
        mask_control: ``none``, or the control to put in place of the real mask.
        seed: seed of the control.
    """

    saliency: Saliency
    budget: Budget
    group: Group = field(default_factory=Element)
    prune_set: PruneSet = "all"
    mask_control: str = "none"
    seed: int = 1

    def prune(self, weights: Mapping[Prunable, Tensor], alive: MaskSet, sparsity: float) -> MaskSet:
        """Prunes to a sparsity.

        Args:
            weights: the matrices, in float32 where a master copy exists.
            alive: the masks so far; what they remove stays removed.
            sparsity: share of the prune set's groups (by default: weights) to be gone, in [0, 1).

        Returns:
            Masks of all matrices, also of those outside the prune set.

        Raises:
            PruneError: more is pruned already, or a score is NaN.
        """
        chosen = restrict(alive.prunables, self.prune_set)
        within = MaskSet({prunable: alive[prunable.name] for prunable in chosen})
        # By name: an old checkpoint lists fewer aliases of a tied matrix than its mask file.
        by_name = {prunable.name: weight for prunable, weight in weights.items()}
        saliency = self.saliency.score({prunable: by_name[prunable.name] for prunable in chosen})
        existing, scores = self.group.alive(within), self.group.scores(saliency, within)
        survivors = self.budget.select(scores, existing, sparsity)
        survivors = control(self.mask_control, survivors, existing, scores, self.seed)
        masks = self.group.expand(survivors, within)
        names = set(masks)
        return MaskSet(
            {
                prunable: masks[prunable.name] if prunable.name in names else alive[prunable.name]
                for prunable in alive.prunables
            }
        )

    def pruned_share(self, masks: MaskSet) -> float:
        """Share of the prune set's groups that are gone."""
        chosen = restrict(masks.prunables, self.prune_set)
        return self.group.alive(MaskSet({prunable: masks[prunable.name] for prunable in chosen})).sparsity()
