"""The page of a report, from the same results, sections and figures as its other files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import regex
from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from nmt_prune import __version__
from nmt_prune.evaluation.records.scored_runs import ScoredRuns
from nmt_prune.evaluation.reports.figures import bleu, costs
from nmt_prune.evaluation.reports.figures.style import looks
from nmt_prune.evaluation.reports.page.answer import MARK, lead, marks
from nmt_prune.evaluation.reports.page.drawings import colour, svg
from nmt_prune.evaluation.reports.page.examples import EACH_WAY, SHORTEST, examples
from nmt_prune.evaluation.reports.page.reproduction import recipes, whole
from nmt_prune.evaluation.reports.results import Results
from nmt_prune.evaluation.reports.tables.bleu import percent
from nmt_prune.evaluation.reports.tables.table import Section, Table
from nmt_prune.files import atomic_path
from nmt_prune.techniques.labels import label

_SHAPES = {
    "o": '<circle cx="14" cy="6" r="4"/>',
    "s": '<path d="M10 2h8v8h-8z"/>',
    "^": '<path d="M14 1l5 9h-10z"/>',
    "D": '<path d="M14 1l5 5-5 5-5-5z"/>',
    "v": '<path d="M14 11l5-9h-10z"/>',
    "P": '<path d="M12.5 1h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5v-3h3.5z"/>',
    "X": '<path d="M10 4l2-2 2 2 2-2 2 2-2 2 2 2-2 2-2-2-2 2-2-2 2-2z"/>',
}
"""Matplotlib's markers beside a technique's name."""


@dataclass(frozen=True)
class Look:
    """How a technique looks in figures.

    Attributes:
        technique: which one.
        label: its name.
        swatch: a piece of its line, with a marker.
    """

    technique: str
    label: str
    swatch: Markup


def write_page(
    path: Path, title: str, parts: Sequence[Section], results: Results, scored: ScoredRuns, data: Path | None = None
) -> None:
    """Writes the page of a recipe's report.

    Args:
        path: file to write.
        title: its title.
        parts: sections of the report.
        results: what they show.
        scored: the runs.
        data: data folder with the references, see :func:`nmt_prune.evaluation.reports.gathering.gather`.
    """
    shown = examples(results, scored, data)
    places = {part.place for part in parts}
    is_there = {
        "Answer": True,
        "Published numbers": "published" in places,
        "Curves": True,
        "Details": "details" in places,
        "Analyses": "analyses" in places,
        "Example translations": bool(shown),
        "How to read the numbers": True,
        "How to get them again": True,
    }
    how = results.convention
    table = next(part.table for part in parts if part.place == "answer")
    assert table is not None
    first = next((axis for axis in (costs.PACKED, costs.USED) if costs.is_known(results, axis)), None)
    at_first = [axis for axis in (first, costs.SPEED) if axis and costs.is_known(results, axis)]
    others = [axis for axis in (costs.USED, costs.CPU_TIME, costs.SPEED_INT8) if axis not in at_first]
    _write(
        path,
        "report.html",
        title=title,
        subtitle=f"BLEU on {how.sentences:,} sentences of `{how.subset}` in `{how.data}`; {len(results.rows)} runs,"
        f" {len(results.seeds())} {'seeds' if len(results.seeds()) > 1 else 'seed'}.",
        contents=[heading for heading, has in is_there.items() if has],
        looks=_looks(results),
        lead=lead(results),
        costs=[costs.for_page(results, axis) for axis in at_first],
        curves=[
            bleu.for_page(results),
            *(costs.for_page(results, axis) for axis in others if costs.is_known(results, axis)),
        ],
        parts=parts,
        marks=marks(results, table),
        examples=shown,
        each_way=EACH_WAY,
        shortest=SHORTEST,
        commands=whole(scored.folder),
        rows=results.rows,
        recipes=recipes(scored),
        numbers="results.csv",
    )


def write_transfer_page(path: Path, title: str, matrix: Section, targets: Sequence[str]) -> None:
    """Writes the page of a transfer matrix, with links to the pages of its targets."""
    subtitle = "Masks that were found on one corpus, trained on another."
    _write(
        path,
        "transfer.html",
        title=title,
        subtitle=subtitle,
        contents=[],
        looks=[],
        matrix=matrix,
        targets=targets,
        numbers="transfer.csv",
    )


def _write(path: Path, template: str, **values: Any) -> None:
    text = _environment().get_template(template).render(values)
    with atomic_path(path) as temporary:
        # A file name need not be UTF-8.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("nmt_prune.evaluation.reports.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"version": __version__, "dagger": MARK}
    marked_up = MarkdownIt("zero").enable(["backticks", "emphasis"])
    filters: dict[str, Callable[..., Any]] = {
        "anchor": lambda heading: regex.sub(r"\W+", "-", heading.lower()).strip("-"),
        "column_techniques": column_techniques,
        "inline": lambda text: Markup(marked_up.renderInline(text)),
        "percent": percent,
        "svg": svg,
    }
    environment.filters |= filters
    return environment


def column_techniques(table: Table) -> list[str | None]:
    """The technique that all results in a column are of; None where they are of several, or of none."""
    found: list[set[str]] = [set() for _ in table.headings]
    for (_, column), cell in table.cells.items():
        found[column].add(cell.technique)
    return [next(iter(names)) if column and len(names) == 1 else None for column, names in enumerate(found)]


def _looks(results: Results) -> list[Look]:
    found = []
    for technique, look in looks(cell.technique for cell in results.aggregates).items():
        shape, hue = _SHAPES[look["marker"]], colour(look["color"])
        swatch = Markup(
            f'<svg class="swatch" viewBox="0 0 28 12" aria-hidden="true" style="stroke: {hue}; fill: '
            f'{"var(--paper)" if "mfc" in look else hue}"><path d="M0 6h28"/>{shape}</svg>'
        )
        found.append(Look(technique, label(technique), swatch))
    return found
