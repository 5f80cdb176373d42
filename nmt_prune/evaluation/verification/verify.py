"""Checking the results of a recipe: every run, and the report against the runs."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.costs.speeds import read_speeds
from nmt_prune.evaluation.records.run import RUN_FILE, SCORES_FILE
from nmt_prune.evaluation.records.scored_runs import read_runs
from nmt_prune.evaluation.report import as_json
from nmt_prune.evaluation.reports.gathering import gather
from nmt_prune.evaluation.reports.run_result import write_csv
from nmt_prune.evaluation.verification.run_check import TOLERANCE, RunCheck, Verdict
from nmt_prune.files import read_object

TABLE, NUMBERS = "report/results.csv", "report/results.json"


def verify(results: Path, data: Path | None = None) -> list[Verdict]:
    """Checks runs; nothing is written.

    Args:
        results: ``runs/<recipe>``, or the folder of one run.
        data: data folder with the references; None is where they were when the runs were scored.

    Returns:
        One verdict per run and, if all runs are as recorded and there is a report, one of its means.

    Raises:
        PruneError: there is nothing to check.
    """
    if any((results / name).is_file() for name in (RUN_FILE, SCORES_FILE)):
        return [RunCheck(data).check(results, results.name)]
    folders = sorted({path.parent for name in (RUN_FILE, SCORES_FILE) for path in results.rglob(f"*/{name}")})
    if not folders:
        raise PruneError(f"{results} holds no results; give runs/RECIPE, or the folder of a run")
    check = RunCheck(data)
    verdicts = {folder: check.check(folder, folder.relative_to(results).as_posix()) for folder in folders}
    found = list(verdicts.values())
    for recipe in sorted({folder.parent for folder in folders}):  # a transfer recipe has one folder for each target
        ours = {folder.name: verdict for folder, verdict in verdicts.items() if folder.parent == recipe}
        is_reported = (recipe / NUMBERS).is_file() or (recipe / TABLE).is_file()
        if is_reported and not any(verdict.differs for verdict in ours.values()):
            found.append(_check_report(recipe, ours, data))
    return found


def _check_report(recipe: Path, runs: Mapping[str, Verdict], data: Path | None) -> Verdict:
    """Makes the report's numbers anew and compares; what is wrong with a run's row is said with the run."""
    report = Verdict(str(recipe / "report"))
    try:
        scored = read_runs(recipe)
        results = gather(scored, read_speeds(scored), data)
        numbers = read_object(recipe / NUMBERS) if (recipe / NUMBERS).is_file() else {}
    except PruneError as error:
        report.differs.append(str(error))
        return report
    made = as_json(results)
    with TemporaryDirectory() as folder:
        write_csv(Path(folder) / "results.csv", results.rows)
        tables = [(TABLE, _rows(recipe / TABLE), _rows(Path(folder) / "results.csv"))]
    stated = {row["run"]: row for row in numbers.get("runs", [])}
    tables.append((NUMBERS, stated, {row["run"]: row for row in _plain(made["runs"])}))
    for name, said, found in tables:
        for run in sorted({*said, *found} if said else ()):
            verdict = runs.get(run, report)
            if run not in said or run not in found:
                verdict.differs.append(f"{name} {'lacks' if run in found else 'has'} {run}; report again")
            elif (key := _other(said[run], found[run])) is not None:
                verdict.differs.append(f"{name} says {key} {said[run][key]}, it is {found[run][key]}")
    for key in ("convention", "aggregates"):
        if numbers and not _same(numbers.get(key), _plain(made[key])):
            report.differs.append(f"{NUMBERS}: {key} are not those of the runs; report again")
    return report


def _rows(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {row.get("run") or "": dict(row) for row in csv.DictReader(file)}


def _plain(value: Any) -> Any:
    """As JSON has it: tuples are lists."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _other(said: Mapping[str, Any], found: Mapping[str, Any]) -> str | None:
    """The first column that differs; columns that only one version of the report has are none."""
    return next((key for key in found if key in said and not _same(said[key], found[key])), None)


def _same(said: Any, found: Any) -> bool:
    if isinstance(said, Mapping) and isinstance(found, Mapping):
        return _other(said, found) is None
    if isinstance(said, list) and isinstance(found, list):
        return len(said) == len(found) and all(map(_same, said, found))
    if said == found:
        return True
    try:
        return math.isclose(float(said), float(found), rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    except (TypeError, ValueError):
        return False
