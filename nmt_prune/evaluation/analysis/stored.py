"""Analyses as files beside the report, which includes them while they are of the same runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.text import digest
from nmt_prune.evaluation.records.run import SCORES_FILE
from nmt_prune.evaluation.records.scored_runs import ScoredRuns
from nmt_prune.evaluation.reports.aggregates import Cell
from nmt_prune.evaluation.reports.tables.table import Section, Table
from nmt_prune.files import read_json, write_json

NAMES = ("overlap", "signs", "growth", "density", "connectivity", "losses")
FOLDER = "report/analysis"


def write_analysis(scored: ScoredRuns, name: str, sections: Sequence[Section]) -> Path:
    """Writes ``RUNS/report/analysis/NAME.json``."""
    path = _path(scored.folder, name)
    write_json(path, {"runs": _state(scored), "sections": [_plain(section) for section in sections]})
    return path


def read_analyses(scored: ScoredRuns) -> list[Section]:
    """The analyses that are there; one of other scores than those of today is only named.

    Raises:
        PruneError: a file is damaged.
    """
    found: list[Section] = []
    for name in NAMES:
        path = _path(scored.folder, name)
        if not path.is_file():
            continue
        content = read_json(path)
        try:
            if content["runs"] == _state(scored):
                found += [_section(one) for one in content["sections"]]
            else:
                again = f"Runs were added or scored since; repeat `nmt-prune analyse {name}`."
                found.append(Section(f"Analysis: {name}", text=again, place="analyses"))
        except (KeyError, TypeError, ValueError):
            raise PruneError(f"{path} is no analysis; delete it or repeat nmt-prune analyse {name}") from None
    return found


def _path(runs: Path, name: str) -> Path:
    return runs / FOLDER / f"{name}.json"


def _state(scored: ScoredRuns) -> dict[str, str]:
    return {run.name: digest(run.folder / SCORES_FILE) for run in scored.scored}


def _plain(section: Section) -> dict[str, Any]:
    table = section.table
    assert table is not None
    return {
        "heading": section.heading,
        "notes": list(section.notes),
        "headings": list(table.headings),
        "rows": [list(row) for row in table.rows],
        "cells": [[*place, *cell] for place, cell in table.cells.items()],
        "shades": [[*place, shade] for place, shade in table.shades.items()],
    }


def _section(plain: Mapping[str, Any]) -> Section:
    cells = {(row, column): Cell(*cell) for row, column, *cell in plain["cells"]}
    shades = {(row, column): float(shade) for row, column, shade in plain["shades"]}
    return Section(
        plain["heading"], Table(plain["headings"], plain["rows"], cells, shades), plain["notes"], place="analyses"
    )
