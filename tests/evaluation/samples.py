"""Made-up results."""

from statistics import NormalDist

import numpy as np

from nmt_prune.evaluation.quality.resamples import Resamples
from nmt_prune.evaluation.reports.results import Convention, Results
from nmt_prune.evaluation.reports.run_result import RunResult

SIGNATURES = dict.fromkeys(("bleu", "chrf", "ter"), "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0")

CONVENTION = Convention(
    data="numbers.en-de",
    subset="test",
    sentences=1000,
    reference_sha256="0" * 64,
    beam=5,
    lenpen=1.0,
    generate_flags=(),
    signatures=SIGNATURES,
)


def row(
    technique: str,
    sparsity: float,
    bleu: float,
    total_updates: int,
    *,
    seed: int = 1,
    p_value: float | None = None,
    delta: float | None = None,
    also: tuple[str, ...] = (),
    planned_total: int | None = None,
) -> RunResult:
    return RunResult(
        run=f"{technique}-{100 * sparsity:g}-{total_updates}-seed{seed}",
        technique=technique,
        also=also,
        target_sparsity=sparsity,
        sparsity_prunable=sparsity,
        sparsity_all=0.9 * sparsity,
        sparsity_body=sparsity,
        seed=seed,
        updates=800,
        planned_updates=800,
        total_updates=total_updates,
        planned_total_updates=total_updates if planned_total is None else planned_total,
        dev_bleu=None,
        bleu=bleu,
        bleu_low=bleu - 1,
        bleu_high=bleu + 1,
        bleu_delta=delta,
        bleu_p_value=p_value,
        chrf=2 * bleu,
        ter=100 - bleu,
        checkpoint="checkpoint_best.pt",
        bleu_signature=SIGNATURES["bleu"],
        chrf_signature=SIGNATURES["chrf"],
        ter_signature=SIGNATURES["ter"],
    )


def results(*rows: RunResult, unscored: tuple[str, ...] = ()) -> Results:
    return Results("made-up", CONVENTION, rows, resamples(*rows), unscored)


def resamples(*rows: RunResult) -> Resamples:
    """Those that give each row its p-value against a baseline that does not move; 1 where it has none."""
    normal = NormalDist()
    quantiles = np.array([normal.inv_cdf((number + 0.5) / 10_000) for number in range(10_000)])
    drawn = {}
    for one in rows:
        p_value, delta = one.bleu_p_value, one.bleu_delta
        spread = 0.0 if p_value is None or delta is None else abs(delta) / normal.inv_cdf(1 - p_value / 2)
        drawn[one.run] = one.bleu + spread * quantiles
    return Resamples({one.run: one.bleu for one in rows}, drawn)
