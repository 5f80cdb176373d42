"""From weights to masks: a saliency, a budget, a prune set and a control together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet, overlay
from nmt_prune.masks.prunable import Prunable, PruneSet, restrict
from nmt_prune.pruning.budgets import Budget, kept_count
from nmt_prune.pruning.budgets.global_ranking import Global
from nmt_prune.pruning.controls import control
from nmt_prune.pruning.groups import Group
from nmt_prune.pruning.groups.block import Block
from nmt_prune.pruning.groups.element import Element
from nmt_prune.pruning.saliency import Evidence, Saliency
from nmt_prune.pruning.saliency.learned import Given


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
        evidence: the model and training data, for a budget that is measured.
        counts: reads the masks whose counts per matrix (family of groups) the control has, once a control is drawn;
            None: those of the real mask.
    """

    saliency: Saliency
    budget: Budget
    group: Group = field(default_factory=Element)
    prune_set: PruneSet = "all"
    mask_control: str = "none"
    seed: int = 1
    evidence: Evidence | None = None
    counts: Callable[[], MaskSet] | None = None

    def __post_init__(self) -> None:
        if self.counts is not None and self.mask_control == "none":
            raise PruneError("--counts-from is about a control: give --mask-control, or leave it out")
        if self.saliency.rounds < 1:
            raise PruneError(f"saliency: rounds={self.saliency.rounds} must be at least 1")
        ranked_together = isinstance(self.budget, Global) and isinstance(self.group, Element | Block)
        if ranked_together and self.prune_set == "all" and not self.saliency.ranks_vocabulary:
            raise PruneError(
                "this saliency cannot rank embeddings among other matrices: with --budget global also give --prune-set"
                " body, or take --budget global-body"
            )

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
        return self.find(weights, alive, sparsity)[0]

    def reading(self, moments: Callable[[], Mapping[str, Tensor] | None]) -> "Pruner":
        """The same with Adam's second moments at hand, by name of the matrix."""
        return replace(self, saliency=self.saliency.reading(moments))

    def prune_by(
        self,
        scores: Mapping[str, Tensor],
        weights: Mapping[Prunable, Tensor],
        alive: MaskSet,
        sparsity: float,
        group: Group | None = None,
    ) -> MaskSet:
        """Prunes by scores that are given, by name of the matrix, as :meth:`prune` does by its saliency."""
        pruner = replace(self, saliency=Given(values=scores), group=group or self.group)
        return pruner.prune(weights, alive, sparsity)

    def find(
        self, weights: Mapping[Prunable, Tensor], alive: MaskSet, sparsity: float
    ) -> tuple[MaskSet, dict[str, float]]:
        """Prunes as ``prune`` does.

        Returns:
            Masks of all matrices and what the saliency found out about them (see ``Saliency.findings``).
        """
        if self.counts is not None:
            self.counts().check_matches(alive.prunables, "--counts-from")
        chosen = restrict(alive.prunables, self.prune_set)
        within = MaskSet({prunable: alive[prunable.name] for prunable in chosen})
        # By name: an old checkpoint lists fewer aliases of a tied matrix than its mask file.
        by_name = {prunable.name: weight for prunable, weight in weights.items()}
        matrices = {prunable: by_name[prunable.name] for prunable in alive.prunables}
        members = self.group.members(chosen)
        existing, masks, first_scores = self.group.alive(within), within, None
        needs_training = self.saliency.is_learned or self.saliency.reads_optimizer
        if needs_training and _is_reached(existing, sparsity):
            return alive, {}  # at the start of a training, when there are no scores yet
        for target in self._targets(existing, sparsity):
            saliency = self.saliency.aimed(members, 1 - target)
            by_weight = saliency.score(matrices, overlay(alive, masks))
            scores = self.group.scores(by_weight, masks)
            budget = self.budget.measuring(partial(self._loss, matrices, alive, masks))
            survivors = budget.select(scores, self.group.alive(masks), target)
            masks = self.group.expand(survivors, masks)
            first_scores = scores if first_scores is None else first_scores
        if self.mask_control != "none" and first_scores is not None and not _is_reached(existing, sparsity):
            # A control chooses among all that existed, by the scores that all had.
            if self.counts is not None:
                survivors = self._counted(existing, sparsity)
            survivors = control(self.mask_control, survivors, existing, first_scores, self.seed)
            masks = self.group.expand(survivors, within)
        found = overlay(alive, masks)
        return found, {} if masks == within else dict(saliency.findings(by_weight, matrices, alive, found))

    def _loss(self, weights: Mapping[Prunable, Tensor], alive: MaskSet, masks: MaskSet, survivors: MaskSet) -> float:
        """The loss of the model with these groups of the prune set left."""
        if self.evidence is None:
            raise PruneError(
                "this budget is measured on training data: give --data, the folder that fairseq-preprocess made"
            )
        return self.evidence.probe(weights, overlay(alive, self.group.expand(survivors, masks))).mean_loss()

    def _counted(self, existing: MaskSet, sparsity: float) -> MaskSet:
        """The groups of the masks whose counts a control is to have."""
        assert self.counts is not None
        counted = self._groups(self.counts())
        total = sum(family.size for family in existing.prunables)
        if sum(map(counted.kept, counted.prunables)) != kept_count(total, sparsity):
            raise PruneError(
                f"--counts-from: its masks are {counted.sparsity():g} sparse, and --sparsity is {sparsity:g}"
            )
        for family in existing.prunables:
            if counted.kept(family) > existing.kept(family):
                raise PruneError(
                    f"--counts-from: its masks keep {counted.kept(family)} of {family.name}, of which only"
                    f" {existing.kept(family)} exist in --mask-from; give both of the same ladder"
                )
        return counted

    def _targets(self, existing: MaskSet, sparsity: float) -> Iterator[float]:
        """The sparsities of the rounds of each stage: densities fall exponentially (Tanaka 2020)."""
        initial, rounds = existing.sparsity(), self.saliency.rounds
        for final in self.budget.stages(existing, sparsity):
            for round_ in range(1, rounds):
                yield 1 - (1 - initial) ** (1 - round_ / rounds) * (1 - final) ** (round_ / rounds)
            yield final
            initial = final

    def stages(self, masks: MaskSet, sparsity: float) -> Sequence[float]:
        """The sparsities that the budget goes through from these masks to a sparsity, which is the last."""
        return self.budget.stages(self._groups(masks), sparsity)

    def pruned_share(self, masks: MaskSet) -> float:
        """Share of the prune set's groups that are gone."""
        return self._groups(masks).sparsity()

    def going(self, before: MaskSet, after: MaskSet) -> MaskSet:
        """Which groups of the prune set exist before and not after, by family."""
        gone = self._groups(after)
        existing = self._groups(before)
        return MaskSet({family: existing[family.name] & ~gone[family.name] for family in existing.prunables})

    def has_reached(self, masks: MaskSet, sparsity: float) -> bool:
        """Whether a sparsity asks for no group of the prune set less than there are."""
        return _is_reached(self._groups(masks), sparsity)

    def _groups(self, masks: MaskSet) -> MaskSet:
        """Which groups of the prune set exist."""
        chosen = restrict(masks.prunables, self.prune_set)
        return self.group.alive(MaskSet({prunable: masks[prunable.name] for prunable in chosen}))


def _is_reached(existing: MaskSet, sparsity: float) -> bool:
    """Whether a sparsity asks for no weight less than there are."""
    total = sum(prunable.size for prunable in existing.prunables)
    return kept_count(total, sparsity) == sum(existing.kept(prunable) for prunable in existing.prunables)
