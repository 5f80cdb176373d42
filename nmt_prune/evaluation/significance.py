"""Paired bootstrap resampling against the dense model (Koehn 2004), by sacreBLEU."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.scores import check_parallel

SIGNIFICANT = 0.05
"""p-value under which a difference is marked."""
SAMPLES = 1000
SEED = 12345


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
) -> dict[str, Comparison]:
    """Compares the BLEU of systems with a baseline's on the same resampled test sets.

    Args:
        systems: detokenized hypotheses by name.
        references: one reference per hypothesis.
        baseline: name of the baseline; None only gives confidence intervals.
        samples: number of resampled test sets.
        seed: seed of the resampling, at least 1 (sacreBLEU takes 0 for no seed at all).

    Raises:
        PruneError: a system has another number of lines, or the seed is below 1.
    """
    if seed < 1:
        raise PruneError(f"seed {seed} of the bootstrap must be at least 1")
    for name, hypotheses in systems.items():
        check_parallel(hypotheses, references, name)
    if baseline is None:
        settings = {"samples": samples, "seed": seed}
        return {name: compare({name: lines}, references, name, **settings)[name] for name, lines in systems.items()}
    named = sorted(systems.items(), key=lambda system: system[0] != baseline)
    with _sacrebleu_seed(seed):
        test = PairedTest(named, {"BLEU": BLEU(references=[references])}, None, test_type="bs", n_samples=samples)
        _, table = test()
    results = dict(zip(table["System"], table["BLEU"], strict=True))
    comparisons = {}
    for name in systems:
        result = results[name]
        delta = p_value = None
        if name != baseline:
            delta = result.score - results[baseline].score
            # sacreBLEU counts the resamples with a *larger* difference. Between equal systems there is none, and its
            # p-value would be the smallest possible.
            p_value = 1.0 if delta == 0 else float(result.p_value)
        low, high = result.mean - result.ci, result.mean + result.ci
        comparisons[name] = Comparison(float(result.score), float(low), float(high), delta, p_value)
    return comparisons


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
