"""Pruning in phases until a score falls below a threshold (Prasanna, Rogers & Rumshisky 2020).

Each phase prunes step by step. Before a step the importance is measured anew with the masks in place; a step whose
score is below the threshold is undone and ends its phase, and the next phase goes on from there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.subnetworks.components import Components

Importance = Callable[[MaskSet], Mapping[str, Tensor]]
"""Scores of all weights, by matrix, of the model under the given masks."""


@dataclass(frozen=True)
class Pace:
    """What a step prunes of some components.

    Attributes:
        components: the components.
        amount: from the number that is left to the number to prune.
    """

    components: Components
    amount: Callable[[int], int]


@dataclass(frozen=True)
class Phase:
    """A number of equal steps.

    Attributes:
        name: e.g. ``joint``.
        paces: what each step prunes.
        at_most: greatest number of steps; None: as many as the threshold allows.
    """

    name: str
    paces: tuple[Pace, ...]
    at_most: int | None = None

    def counts(self, masks: MaskSet) -> list[int]:
        """How much the next step prunes of each; one 0 ends the phase. A last step may be smaller than the others."""
        return [
            min(max(1, pace.amount(pace.components.left(masks))), pace.components.removable(masks))
            for pace in self.paces
        ]


@dataclass(frozen=True)
class Step:
    """A step that has been done.

    Attributes:
        phase: name of its phase.
        masks: the masks after it.
        score: their score.
        passed: whether the score reaches the threshold.
    """

    phase: str
    masks: MaskSet
    score: float
    passed: bool


@dataclass(frozen=True)
class Threshold:
    """How good the pruned model has to be, on the validation set.

    Attributes:
        dense: score of the model before the search.
        keep: share of the score to keep (Prasanna: 0.9); of a loss, which grows, its reciprocal. None: see ``drop``.
        drop: difference to the score that is allowed, in the score's unit.
        is_loss: whether lower scores are better.

    Raises:
        PruneError: both or none of the two is given or out of range, or the model is worth nothing.
    """

    dense: float
    keep: float | None = None
    drop: float | None = None
    is_loss: bool = False

    def __post_init__(self) -> None:
        if (self.keep is None) == (self.drop is None):
            raise PruneError("--keep (a share of the dev score) and --drop (a difference) exclude each other; give one")
        if self.keep is not None and not 0 < self.keep <= 1:
            raise PruneError(f"--keep {self.keep:g} is outside (0, 1]; 0.9 keeps 90 % of the dev score")
        if self.drop is not None and self.drop < 0:
            raise PruneError(f"--drop {self.drop:g} is negative; 0.5 allows half a point less")
        if not self.dense > 0:
            raise PruneError(
                f"the dev score of the dense model is {self.dense:g}: nothing can be told from it; train the model"
                " longer, or give --score loss"
            )

    @property
    def limit(self) -> float:
        """The worst score that passes."""
        if self.drop is not None:
            return self.dense + self.drop if self.is_loss else self.dense - self.drop
        assert self.keep is not None
        return self.dense / self.keep if self.is_loss else self.dense * self.keep

    def passes(self, score: float) -> bool:
        """Whether a score is good enough; NaN is not."""
        return score <= self.limit if self.is_loss else score >= self.limit


def structured_phases(heads: Components, ffn: Components, masks: MaskSet, share: float, whole_ffn: bool) -> list[Phase]:
    """s-pruning: heads and feed-forward components jointly, then only heads at half the step, then only the others.

    Args:
        heads: the attention heads.
        ffn: the feed-forward sublayers, or their units.
        masks: masks of the model, for the number of components.
        share: heads (and units) of a step in the joint phase, as a share of *all* heads (units) of the architecture,
            rounded down.
        whole_ffn: prune one feed-forward component at a time, as published, where these are whole sublayers.

    Raises:
        PruneError: a sort of component has been pruned altogether already.
    """
    for components in (heads, ffn):
        if not components.removable(masks):
            raise PruneError(
                f"no {components.name} can be pruned: the checkpoint has {components.left(masks)} left of"
                f" {components.total(masks)}; search in a denser one"
            )
    heads_step = max(1, int(share * heads.total(masks) + 1e-9))
    ffn_step = 1 if whole_ffn else max(1, int(share * ffn.total(masks) + 1e-9))
    return [
        Phase("joint", (_fixed(heads, heads_step), _fixed(ffn, ffn_step))),
        Phase("heads only", (_fixed(heads, heads_step // 2),)),
        Phase("FFN only", (_fixed(ffn, ffn_step // 2),)),
    ]


def magnitude_phases(weights: Components, share: float, at_most: int = 10) -> list[Phase]:
    """m-pruning: single weights, in one ranking, a share of the *remaining* ones per step.

    Args:
        weights: the weights.
        share: weights of a step, as a share of those left, rounded to the nearest.
        at_most: greatest number of steps.
    """
    return [Phase("weights", (Pace(weights, lambda left: round(share * left)),), at_most)]


def _fixed(components: Components, step: int) -> Pace:
    return Pace(components, lambda left: step)


def search(
    phases: Sequence[Phase],
    masks: MaskSet,
    importance: Importance,
    score: Callable[[MaskSet], float],
    passes: Callable[[float], bool],
    done: Sequence[tuple[str, bool]] = (),
) -> Iterator[Step]:
    """Prunes step by step; the masks of the last step that passed are the result.

    Args:
        phases: the phases.
        masks: the masks to start with; after a break those of the last step that passed.
        importance: measures the importance of what is left.
        score: scores masks.
        passes: whether a score is good enough.
        done: phase and outcome of each step before a break.

    Yields:
        Each step when it has been done.
    """
    for phase in phases:
        earlier = [passed for name, passed in done if name == phase.name]
        if False in earlier:
            continue
        for _ in range(len(earlier), phase.at_most) if phase.at_most is not None else count():
            counts = phase.counts(masks)
            if 0 in counts:
                break
            scores, candidate = importance(masks), masks
            for pace, number in zip(phase.paces, counts, strict=True):
                candidate = pace.components.prune(candidate, scores, number)
            value = score(candidate)
            passed = passes(value)
            yield Step(phase.name, candidate, value, passed)
            if not passed:
                break
            masks = candidate
