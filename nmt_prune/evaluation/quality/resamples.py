"""Differences in mean BLEU over seeds and sentences, and Holm's correction for many of them."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from nmt_prune.evaluation.quality.sentence_statistics import Floats, Statistics, corpus_bleu

SIGNIFICANT = 0.05
"""p-value under which a difference is marked."""
RESAMPLES = 10_000
SEED = 12345
ONE_SEED = f"paired bootstrap over sentences, two-sided, {RESAMPLES:,} resamples, seed {SEED}"
OVER_SEEDS = f"{ONE_SEED}, with Student's t for the spread over seeds"

ROUNDING = 1e-9
"""Differences in BLEU that are none: vectorised loops and their remainders take logarithms in different ways."""

_AT_ONCE = 500
Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Difference:
    """A difference in BLEU between two techniques, from runs that are paired by their seeds.

    Attributes:
        delta: mean difference over seeds.
        low: lower end of its 95 % confidence interval, not corrected for the number of comparisons.
        high: its upper end.
        p_value: two-sided p-value, likewise not corrected.
        seeds: number of seeds; of a single one only the sentences are resampled.
        p_holm: p-value, corrected for ``comparisons``.
        comparisons: number of comparisons that were made together.
    """

    delta: float
    low: float
    high: float
    p_value: float
    seeds: int
    p_holm: float
    comparisons: int

    @property
    def significant(self) -> bool:
        """Whether it is unlikely to be chance, the other comparisons considered."""
        return self.p_holm < SIGNIFICANT


@dataclass(frozen=True, eq=False)
class Resamples:
    """BLEU of systems on one test set, and on test sets of the same size drawn from its sentences with replacement.

    Attributes:
        bleu: by system.
        resampled: by system, shape (samples,); the same draws for all.
    """

    bleu: Mapping[str, float]
    resampled: Mapping[str, Floats]

    @classmethod
    def of(cls, statistics: Mapping[str, Statistics], samples: int = RESAMPLES, seed: int = SEED) -> "Resamples":
        """Draws the test sets.

        Args:
            statistics: of each system, see :mod:`nmt_prune.evaluation.quality.sentence_statistics`.
            samples: number of test sets.
            seed: their seed.
        """
        stacked = np.stack(list(statistics.values()), axis=1).astype(np.float64)  # (sentences, systems, numbers)
        sentences, systems, numbers = stacked.shape
        random = np.random.default_rng(seed)
        drawn = []
        for start in range(0, samples, _AT_ONCE):
            draws = random.integers(sentences, size=(min(_AT_ONCE, samples - start), sentences))
            weights = np.stack([np.bincount(draw, minlength=sentences) for draw in draws]).astype(np.float64)
            sums = weights @ stacked.reshape(sentences, -1)
            drawn.append(corpus_bleu(sums.reshape(len(draws), systems, numbers)))
        whole, resampled = corpus_bleu(stacked.sum(axis=0)), np.concatenate(drawn)
        names = list(statistics)
        return cls(dict(zip(names, whole.tolist(), strict=True)), dict(zip(names, resampled.T, strict=True)))

    def interval(self, system: str) -> tuple[float, float]:
        """Ends of the 95 % confidence interval of a system's BLEU over sentences."""
        low, high = np.quantile(self.resampled[system], [SIGNIFICANT / 2, 1 - SIGNIFICANT / 2])
        return float(low), float(high)

    def differences(self, pairs: Mapping[Name, Sequence[tuple[str, str]]]) -> dict[Name, Difference]:
        """Compares pairs of systems, and corrects for their number; the same pairs under two names count once.

        Args:
            pairs: by name, one pair per seed: the difference is that of the first system less the second.
        """
        distinct = list(dict.fromkeys(map(tuple, pairs.values())))
        found = [self._difference(pair) for pair in distinct]
        corrected = holm([p_value for *_, p_value in found])
        by_pairs = {
            pair: Difference(*numbers, seeds=len(pair), p_holm=p_holm, comparisons=len(distinct))
            for pair, numbers, p_holm in zip(distinct, found, corrected, strict=True)
        }
        return {name: by_pairs[tuple(pair)] for name, pair in pairs.items()}

    def _difference(self, pairs: Sequence[tuple[str, str]]) -> tuple[float, float, float, float]:
        """Mean difference, ends of its confidence interval, and p-value.

        The error of the mean is a sum of two. That of the sentences is bootstrapped: one draw for all seeds and both
        techniques, as all were tested on the same sentences. That of the seeds is not: two or three of them, drawn with
        replacement, are often all the same, and vary by a half or two thirds of what they should. A Student's t with
        their standard error and degrees of freedom stands in for it. Noise that seeds and sentences have in common is
        in both parts, so that the test errs on the safe side.
        """
        deltas = np.array([self.bleu[first] - self.bleu[second] for first, second in pairs])
        delta = float(deltas.mean())
        errors = np.mean([self.resampled[first] - self.resampled[second] for first, second in pairs], axis=0) - delta
        if len(deltas) > 1:
            standard_error = deltas.std(ddof=1) / len(deltas) ** 0.5
            errors = errors + standard_error * np.random.default_rng(SEED).standard_t(len(deltas) - 1, len(errors))
        sizes = np.abs(errors)
        half = float(np.quantile(sizes, 1 - SIGNIFICANT))
        as_large = int(np.count_nonzero(sizes >= abs(delta) - ROUNDING))
        return delta, delta - half, delta + half, (as_large + 1) / (len(sizes) + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979): in 95 % of reports nothing below 0.05 is a false alarm."""
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(1, np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)))
    return [float(value) for value in corrected]
