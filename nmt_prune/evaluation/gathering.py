"""Gathering the results of a recipe from its run folders."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.records import RUN_FILE, SCORES_FILE, Costs, RunRecord, ScoreRecord, read_record
from nmt_prune.evaluation.results import Convention, Results, RunResult
from nmt_prune.evaluation.significance import Comparison, compare
from nmt_prune.evaluation.techniques import DENSE, Cell
from nmt_prune.evaluation.text import digest, read_lines
from nmt_prune.files import read_json


@dataclass(frozen=True)
class _Run:
    folder: Path
    record: RunRecord
    scores: ScoreRecord

    @property
    def name(self) -> str:
        return self.folder.name

    def hypotheses(self) -> list[str]:
        return read_lines(self.folder / self.scores.hypotheses_file)


def gather(folder: Path, data: Path | None = None) -> Results:
    """Reads all runs of a recipe and compares each with the dense run of its seed.

    Args:
        folder: ``runs/<recipe>``.
        data: data folder with the references; None is where they were when the runs were scored.

    Raises:
        PruneError: there is no scored run, runs were scored in different ways, two runs claim the same cell, or
            hypotheses or references are missing or do not belong to the scores.
    """
    runs, unscored = _read_runs(folder)
    first = runs[0]
    convention = Convention.of(first.scores)
    for run in runs:
        _check_convention(first, run)
    _check_unique(runs)
    references = _references(first.scores, data)
    comparisons: dict[str, Comparison] = {}
    for seed in sorted({run.record.seed for run in runs}):
        same_seed = [run for run in runs if run.record.seed == seed]
        dense = next((run.name for run in same_seed if run.record.technique == DENSE), None)
        systems = {run.name: run.hypotheses() for run in same_seed}
        comparisons |= compare(systems, references, dense)
    rows = tuple(_row(run, comparisons[run.name]) for run in runs)
    return Results(folder.resolve().name, convention, rows, unscored, first.record.pair)


def _read_runs(folder: Path) -> tuple[list[_Run], tuple[str, ...]]:
    if not folder.is_dir():
        raise PruneError(f"{folder} is not a folder of runs")
    paths = sorted(path.parent for path in folder.glob(f"*/{RUN_FILE}"))
    scored = [path for path in paths if (path / SCORES_FILE).is_file()]
    if not scored:
        raise PruneError(f"{folder} holds no run with {RUN_FILE} and {SCORES_FILE}; run nmt-prune score first")
    runs = [
        _Run(path, read_record(RunRecord, path / RUN_FILE), read_record(ScoreRecord, path / SCORES_FILE))
        for path in scored
    ]
    unscored = [path for path in paths if path not in scored]
    return runs, tuple(path.name for path in unscored if read_json(path / RUN_FILE).get("step") != "search")


def _check_convention(first: _Run, other: _Run) -> None:
    ours, theirs = asdict(Convention.of(first.scores)), asdict(Convention.of(other.scores))
    for key, value in ours.items():
        if theirs[key] != value:
            raise PruneError(
                f"{first.name} and {other.name} were scored with different {key}"
                f" ({value} and {theirs[key]}): score one of them again"
            )


def _check_unique(runs: Sequence[_Run]) -> None:
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


def _references(scores: ScoreRecord, data: Path | None) -> list[str]:
    recorded = Path(scores.reference)
    candidates = [recorded] if data is None else [data / "raw" / recorded.name, recorded]
    path = next(filter(Path.is_file, candidates), None)
    if path is None:
        raise PruneError(
            f"reference {candidates[0]} is gone; give --data with the folder that holds raw/{recorded.name}"
        )
    if digest(path) != scores.reference_sha256:
        raise PruneError(f"reference {path} is not the one that the runs were scored with; score them again")
    return read_lines(path)


def _row(run: _Run, comparison: Comparison) -> RunResult:
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
        updates=record.updates,
        total_updates=record.total_updates,
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
        **_costs(scores.costs),
    )


def _costs(costs: Costs | None) -> dict[str, float | None]:
    if costs is None:
        return {}
    return {
        "mb_masked": costs.bytes_masked / 1e6,
        "mb_used": costs.bytes_used / 1e6,
        "mb_stored": costs.bytes_stored / 1e6,
        "cpu_ratio": costs.cpu_ratio,
        "cpu_seconds": costs.cpu.seconds if costs.cpu else None,
        "cpu_seconds_dense": costs.cpu.seconds_dense if costs.cpu else None,
    }
