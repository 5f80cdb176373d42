"""BLEU against the dense model's: a paired two-sided permutation test, and bootstrap confidence intervals."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.scores import check_parallel
from nmt_prune.text.bleu import WORDS, bleu_metric

SIGNIFICANT = 0.05
"""p-value under which a difference is marked."""
SAMPLES = 1000
SEED = 12345
METHOD = f"paired permutation test, two-sided, {SAMPLES:,} permutations, seed {SEED}"

Statistics = NDArray[np.int64]


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
    systems: Mapping[str, Sequence[str]],
    references: Sequence[str],
    baseline: str | None,
    *,
    samples: int = SAMPLES,
    seed: int = SEED,
    tokenize: str = WORDS,
) -> dict[str, Comparison]:
    """Compares the BLEU of systems with a baseline's.

    Args:
        systems: detokenized hypotheses by name.
        references: one reference per hypothesis.
        baseline: name of the baseline; None only gives confidence intervals.
        samples: number of resampled test sets, and of permutations.
        seed: seed of both, at least 1 (sacreBLEU takes 0 for no seed at all).
        tokenize: sacreBLEU's tokenizer.

    Raises:
        PruneError: a system has another number of lines, the seed is below 1, or the tokenizer cannot be had.
    """
    if seed < 1:
        raise PruneError(f"seed {seed} of the significance test must be at least 1")
    for name, hypotheses in systems.items():
        check_parallel(hypotheses, references, name)
    metric = bleu_metric(tokenize)
    compared = systems if baseline is not None else {}
    statistics = {name: sentence_statistics(lines, references, tokenize) for name, lines in compared.items()}
    comparisons = {}
    for name, hypotheses in systems.items():
        with _sacrebleu_seed(seed):
            _, table = PairedTest([(name, hypotheses)], {"BLEU": metric}, [references], "bs", samples)()
        result = table["BLEU"][0]
        delta = p_value = None
        if baseline is not None and name != baseline:
            delta, p_value = permutation_test(statistics[name], statistics[baseline], samples, seed)
        low, high = result.mean - result.ci, result.mean + result.ci
        comparisons[name] = Comparison(float(result.score), float(low), float(high), delta, p_value)
    return comparisons


def permutation_test(first: Statistics, second: Statistics, samples: int, seed: int) -> tuple[float, float]:
    """Approximate randomization (Riezler & Maxwell 2005): may the two systems exchange their sentences?

    A permutation counts if its difference is at least as large as the observed one. sacreBLEU's own tests are not
    taken: its bootstrap compares one tail of |difference| and finds twice too many, and its approximate randomization
    leaves out permutations with the very same difference, so that one sentence alone is always significant.

    Args:
        first: statistics of a system, (sentences, statistics), see :func:`sentence_statistics`.
        second: likewise, of the other one.
        samples: number of permutations.
        seed: their seed.

    Returns:
        BLEU of the first minus that of the second, and the two-sided p-value of the difference.
    """
    totals, differences = (first.sum(axis=0), second.sum(axis=0)), first - second
    delta = _bleu(totals[0]) - _bleu(totals[1])
    random = np.random.default_rng(seed)
    as_large = 0
    for _ in range(samples):
        moved = differences[random.integers(2, size=len(differences), dtype=bool)].sum(axis=0)
        as_large += abs(_bleu(totals[0] - moved) - _bleu(totals[1] + moved)) >= abs(delta)
    return delta, (as_large + 1) / (samples + 1)


def sentence_statistics(hypotheses: Sequence[str], references: Sequence[str], tokenize: str = WORDS) -> Statistics:
    """What corpus BLEU is computed from: lengths of hypothesis and reference, matches and totals of each n-gram order.

    Returns:
        int64 of shape (sentences, 2 + 2 · orders); corpus BLEU is that of the sum over sentences.
    """
    metric = bleu_metric(tokenize, effective_order=True)
    scores = [metric.sentence_score(line, [one]) for line, one in zip(hypotheses, references, strict=True)]
    return np.array([[score.sys_len, score.ref_len, *score.counts, *score.totals] for score in scores])


def _bleu(statistics: Statistics) -> float:
    sys_len, ref_len, *counts = statistics.tolist()
    orders = len(counts) // 2
    return float(BLEU.compute_bleu(counts[:orders], counts[orders:], sys_len, ref_len, smooth_method="exp").score)


@contextmanager
def _sacrebleu_seed(seed: int) -> Iterator[None]:
    """Sets the seed where sacreBLEU looks for it."""
    before = os.environ.get("SACREBLEU_SEED")
    os.environ["SACREBLEU_SEED"] = str(seed)
    try:
        yield
    finally:
        if before is None:
            del os.environ["SACREBLEU_SEED"]
        else:
            os.environ["SACREBLEU_SEED"] = before
