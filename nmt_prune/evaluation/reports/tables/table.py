"""Tables and sections as values, so that Markdown and the page show the same ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tabulate import tabulate

from nmt_prune.evaluation.reports.aggregates import Cell


@dataclass(frozen=True)
class Table:
    """A table whose first column is a name and whose others are numbers.

    Attributes:
        headings: of the columns.
        rows: what the cells say.
        cells: whose result a place (row, column) shows; a name's is that of its whole row.
        shades: how dark a place of a heat map is, 0 to 1; Markdown has none.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    cells: Mapping[tuple[int, int], Cell] = field(default_factory=dict)
    shades: Mapping[tuple[int, int], float] = field(default_factory=dict)

    def markdown(self) -> str:
        """The table in Markdown."""
        alignment = ("left", *("right" for _ in self.headings[1:]))
        return tabulate(self.rows, self.headings, tablefmt="pipe", colalign=alignment, disable_numparse=True)


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        heading: what it is about; none for what stands under the title.
        table: its numbers; None where there are none.
        notes: what one must know to read them, a list in Markdown.
        text: a paragraph in place of both.
        place: where the page has it; Markdown has one section after the other.
    """

    heading: str
    table: Table | None = None
    notes: Sequence[str] = ()
    text: str = ""
    place: Literal["answer", "details", "reading", "published", "analyses"] = "details"

    def markdown(self) -> str:
        """The section in Markdown."""
        notes = "\n".join(f"- {note}" for note in self.notes)
        parts = [f"## {self.heading}" if self.heading else "", self.table.markdown() if self.table else ""]
        return "\n\n".join(part for part in (*parts, self.text, notes) if part)
