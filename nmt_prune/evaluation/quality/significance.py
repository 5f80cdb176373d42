"""BLEU of single runs against the dense model's: a paired two-sided permutation test, and confidence intervals."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nmt_prune.evaluation.quality.resamples import ROUNDING, SEED, SIGNIFICANT, Resamples
from nmt_prune.evaluation.quality.sentence_statistics import Statistics, corpus_bleu

PERMUTATIONS = 1000
METHOD = f"paired permutation test, two-sided, {PERMUTATIONS:,} permutations, seed {SEED}"


@dataclass(frozen=True)
class Comparison:
    """BLEU of a system with its uncertainty, and the difference to the baseline.

    Attributes:
        bleu: corpus BLEU.
        low: lower end of the 95 % confidence interval from the resamples.
        high: its upper end.
        delta: BLEU minus the baseline's; None for the baseline, and without one.
        p_value: two-sided p-value of the difference; likewise None.
    """

    bleu: float
    low: float
    high: float
    delta: float | None = None
    p_value: float | None = None

    @property
    def significant(self) -> bool:
        """Whether the difference to the baseline is unlikely to be chance."""
        return self.p_value is not None and self.p_value < SIGNIFICANT


def compare(
    statistics: Mapping[str, Statistics], resamples: Resamples, baseline: str | None, *, seed: int = SEED
) -> dict[str, Comparison]:
    """Compares the BLEU of systems with a baseline's.

    Args:
        statistics: of each system, see :func:`nmt_prune.evaluation.quality.sentence_statistics.sentence_statistics`.
        resamples: of these systems.
        baseline: name of the baseline; None only gives confidence intervals.
        seed: seed of the permutations.
    """
    comparisons = {}
    for name, own in statistics.items():
        delta = p_value = None
        if baseline is not None and name != baseline:
            delta, p_value = permutation_test(own, statistics[baseline], PERMUTATIONS, seed)
        comparisons[name] = Comparison(resamples.bleu[name], *resamples.interval(name), delta, p_value)
    return comparisons


def permutation_test(first: Statistics, second: Statistics, samples: int, seed: int) -> tuple[float, float]:
    """Approximate randomization (Riezler & Maxwell 2005): may the two systems exchange their sentences?

    A permutation counts if its difference is at least as large as the observed one. sacreBLEU's own tests are not
    taken: its bootstrap compares one tail of |difference| and finds twice too many, and its approximate randomization
    leaves out permutations with the very same difference, so that one sentence alone is always significant.

    Args:
        first: statistics of a system, (sentences, numbers).
        second: likewise, of the other one.
        samples: number of permutations.
        seed: their seed.

    Returns:
        BLEU of the first minus that of the second, and the two-sided p-value of the difference.
    """
    totals, differences = (first.sum(axis=0), second.sum(axis=0)), first - second
    delta = float(corpus_bleu(totals[0]) - corpus_bleu(totals[1]))
    is_moved = np.random.default_rng(seed).integers(2, size=(samples, len(differences)), dtype=bool)
    moved = is_moved.astype(np.float64) @ differences.astype(np.float64)
    permuted = corpus_bleu(totals[0] - moved) - corpus_bleu(totals[1] + moved)
    as_large = np.count_nonzero(np.abs(permuted) >= abs(delta) - ROUNDING)
    return delta, float(as_large + 1) / (samples + 1)
