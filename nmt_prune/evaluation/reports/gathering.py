"""Gathering the results of a recipe from its run folders."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.resamples import Resamples
from nmt_prune.evaluation.quality.sentence_statistics import sentence_statistics
from nmt_prune.evaluation.quality.significance import Comparison, compare
from nmt_prune.evaluation.quality.text import read_lines
from nmt_prune.evaluation.records.costs import Costs, SpeedRecord
from nmt_prune.evaluation.records.other_passes import other_passes
from nmt_prune.evaluation.records.references import reference_file
from nmt_prune.evaluation.records.run import RUN_FILE, SCORES_FILE
from nmt_prune.evaluation.records.scored_runs import ScoredRun, ScoredRuns, total_updates
from nmt_prune.evaluation.reports.aggregates import Cell
from nmt_prune.evaluation.reports.export_result import ExportResult
from nmt_prune.evaluation.reports.results import Convention, Results
from nmt_prune.evaluation.reports.run_result import RunResult
from nmt_prune.evaluation.reports.variants import variants


def gather(scored: ScoredRuns, speeds: Mapping[str, SpeedRecord], data: Path | None = None) -> Results:
    """Takes the results of all runs of a recipe together and compares each with the dense run of its seed.

    Args:
        scored: the runs.
        speeds: what was measured of their speed, by run.
        data: data folder with the references; None is where they were when the runs were scored.

    Raises:
        PruneError: runs were scored in different ways, two runs claim the same cell, or
            hypotheses or references are missing or do not belong to the scores.
    """
    runs = scored.scored
    first = runs[0]
    convention = Convention.of(first.scores)
    for run in runs:
        _check_convention(first, run)
    totals = {run.name: total_updates(run) for run in runs}
    _check_unique(runs)
    references = read_lines(reference_file(first.scores, data))
    tokenize = first.scores.tokenize
    statistics = {run.name: sentence_statistics(run.hypotheses(), references, tokenize, run.name) for run in runs}
    resamples = Resamples.of(statistics)
    comparisons: dict[str, Comparison] = {}
    for seed in sorted({run.record.seed for run in runs}):
        dense = scored.dense.get(seed)
        systems = {run.name: statistics[run.name] for run in scored.of_seed(seed)}
        comparisons |= compare(systems, resamples, dense.name if dense else None)
    rows = tuple(_row(run, totals[run.name], comparisons[run.name], speeds.get(run.name)) for run in runs)
    return Results(
        scored.folder.resolve().name,
        convention,
        rows,
        resamples,
        scored.unscored,
        first.record.pair,
        variants=variants(run.record for run in runs),
        statistics=statistics,
    )


def _check_convention(first: ScoredRun, other: ScoredRun) -> None:
    ours, theirs = asdict(Convention.of(first.scores)), asdict(Convention.of(other.scores))
    for key, value in ours.items():
        if theirs[key] != value:
            raise PruneError(
                f"{first.name} and {other.name} were scored with different {key}"
                f" ({value} and {theirs[key]}): score one of them again"
            )


def _check_unique(runs: Sequence[ScoredRun]) -> None:
    seen: dict[tuple[Cell, int], str] = {}
    for run in runs:
        record = run.record
        for technique in (record.technique, *record.also):
            key = Cell.of(technique, record.sparsity, record.total_updates), record.seed
            if key in seen:
                raise PruneError(
                    f"{seen[key]} and {run.name} are both {technique} at sparsity {record.sparsity:g} with seed"
                    f" {record.seed}; give one of them another technique name in its {RUN_FILE}"
                )
            seen[key] = run.name


def _row(run: ScoredRun, total: int, comparison: Comparison, speed: SpeedRecord | None) -> RunResult:
    record, scores = run.record, run.scores
    if abs(comparison.bleu - scores.bleu) > 1e-6:
        raise PruneError(
            f"{run.folder / scores.hypotheses_file} gives BLEU {comparison.bleu:.2f} and {SCORES_FILE} says"
            f" {scores.bleu:.2f}: the hypotheses or the reference have changed; score the run again"
        )
    return RunResult(
        run=run.name,
        technique=record.technique,
        also=record.also,
        target_sparsity=record.sparsity,
        sparsity_prunable=scores.sparsity["prunable"],
        sparsity_all=scores.sparsity["all"],
        sparsity_body=scores.sparsity["body"],
        seed=record.seed,
        updates=run.updates,
        planned_updates=record.updates,
        total_updates=total,
        planned_total_updates=record.total_updates,
        dev_bleu=scores.dev_bleu,
        bleu=scores.bleu,
        bleu_low=comparison.low,
        bleu_high=comparison.high,
        bleu_delta=comparison.delta,
        bleu_p_value=comparison.p_value,
        chrf=scores.chrf,
        ter=scores.ter,
        checkpoint=scores.checkpoint,
        bleu_signature=scores.signatures["bleu"],
        chrf_signature=scores.signatures["chrf"],
        ter_signature=scores.signatures["ter"],
        **{f"cut_{name}": (scores.cut or {}).get(name) for name in ("not_closed", "loss_before", "loss_after")},
        left_out=scores.left_out,
        other_passes=other_passes(run.folder),
        **_costs(scores.costs),
        exports=ExportResult.of(scores.costs.exports if scores.costs else None, speed),
    )


def _costs(costs: Costs | None) -> dict[str, float | None]:
    if costs is None:
        return {}
    return {
        "mb_masked": costs.bytes_masked / 1e6,
        "mb_used": costs.bytes_used / 1e6,
        "cpu_ratio": costs.cpu_ratio,
        "cpu_seconds": costs.cpu.seconds if costs.cpu else None,
        "cpu_seconds_dense": costs.cpu.seconds_dense if costs.cpu else None,
    }
