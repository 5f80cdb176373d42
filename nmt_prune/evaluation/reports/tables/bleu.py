"""Tables: techniques against sparsity as in Brix et al. 2020, Table 1, and the controls."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from nmt_prune.evaluation.reports.aggregates import Aggregate, Cell
from nmt_prune.evaluation.reports.tables.table import Table
from nmt_prune.techniques import DENSE
from nmt_prune.techniques.labels import is_control, is_searched, is_small, label, ordered

NOTHING = "–"

Aggregates = Mapping[Cell, Aggregate]


@dataclass(frozen=True)
class RowColumn:
    """A column that says something about a whole row of the table, e.g. its measured sparsity.

    Attributes:
        heading: its heading.
        text: its text, given the aggregates of the row.
    """

    heading: str
    text: Callable[[Sequence[Aggregate]], str]


ROW_COLUMNS = (
    RowColumn("of all", lambda row: span(percent(cell.sparsity["all"]) for cell in row)),
    RowColumn("of body", lambda row: span(percent(cell.sparsity["body"]) for cell in row)),
)


MOST_COLUMNS = 8
"""More techniques than these are rows and not columns."""


def sparsity_table(aggregates: Aggregates) -> Table:
    """BLEU by sparsity (rows) and technique (columns), the dense model on top in each column.

    Many techniques are rows, and sparsities columns.
    """
    techniques = ordered(
        cell.technique
        for cell in aggregates
        if cell.technique != DENSE and not is_control(cell.technique) and not is_searched(cell.technique)
    )
    sparsities = sorted({cell.sparsity for cell in aggregates if cell.technique in techniques})
    dense = aggregates.get(Cell(DENSE, 0.0))
    seeds = _most_seeds(aggregates)
    if len(techniques) > MOST_COLUMNS:
        return _by_technique(aggregates, techniques, sparsities, dense, seeds)
    rows, places = [], dict[tuple[int, int], Cell]()
    if dense is not None:
        rows.append(["dense", *_about([dense]), *[bleu_cell(dense, seeds)] * max(1, len(techniques))])
    for sparsity in sparsities:
        cells = [aggregates.get(Cell(technique, sparsity)) for technique in techniques]
        about = _about([cell for cell in cells if cell is not None])
        places |= {(len(rows), 1 + len(about) + i): cell.cell for i, cell in enumerate(cells) if cell}
        rows.append([percent(sparsity), *about, *[bleu_cell(cell, seeds) if cell else NOTHING for cell in cells]])
    headings = [
        "sparsity",
        *(column.heading for column in ROW_COLUMNS),
        *[label(name) for name in techniques or ["BLEU"]],
    ]
    return Table(headings, rows, places)


def _by_technique(
    aggregates: Aggregates, techniques: Sequence[str], sparsities: Sequence[float], dense: Aggregate | None, seeds: int
) -> Table:
    rows = [] if dense is None else [["dense", *[bleu_cell(dense, seeds)] * len(sparsities)]]
    places = dict[tuple[int, int], Cell]()
    for technique in techniques:
        cells = [aggregates.get(Cell(technique, sparsity)) for sparsity in sparsities]
        places |= {(len(rows), 1 + i): cell.cell for i, cell in enumerate(cells) if cell}
        rows.append([label(technique), *[bleu_cell(cell, seeds) if cell else NOTHING for cell in cells]])
    return Table(["technique", *map(percent, sparsities)], rows, places)


def control_table(aggregates: Aggregates) -> Table | None:
    """BLEU of the controls, one row each under the dense model; None if there are none."""
    return _named_table(aggregates, "control", is_control)


def subnetwork_table(aggregates: Aggregates) -> Table | None:
    """BLEU of the subnetworks that a search found, one row each, with their measured sparsity; None without any."""
    return _named_table(aggregates, "subnetwork", is_searched)


def _named_table(aggregates: Aggregates, heading: str, is_listed: Callable[[str], bool]) -> Table | None:
    controls = [cell for cell in aggregates if is_listed(cell.technique)]
    if not controls:
        return None
    dense = [Cell(DENSE, 0.0)] if Cell(DENSE, 0.0) in aggregates else []
    rows = []
    cells = [*dense, *controls]
    for cell in cells:
        control = aggregates[cell]
        delta = NOTHING if control.bleu_delta is None else f"{control.bleu_delta:+.1f}"
        rows.append([label(cell.technique), sparsity_of(control), bleu_cell(control, _most_seeds(aggregates)), delta])
    return Table([heading, "sparsity", "BLEU", "Δ dense"], rows, by_row(cells))


def bleu_cell(cell: Aggregate, seeds: int) -> str:
    """BLEU, its spread over seeds, the mark of significance and the updates behind it: ``21.3 ± 0.2* (1,600)``.

    Other mini-batches behind it stand after a plus sign: ``(800 + 1,000)``.

    Args:
        cell: the aggregate.
        seeds: seeds that it should have; a cell with fewer says so.
    """
    spread = "" if cell.bleu_std is None else f" ± {cell.bleu_std:.1f}"
    number = "" if len(cell.seeds) == seeds else f"; n = {len(cell.seeds)}"
    passes = cell.other_passes or (0, 0)
    others = f" + {span(f'{count:,}' for count in passes)}" if any(passes) else ""
    return f"{cell.bleu:.1f}{spread}{'*' if cell.significant else ''} ({updates(cell)}{others}{number})"


def sparsity_of(model: Aggregate) -> str:
    """The target sparsity, or what a search found."""
    if is_small(model.cell.technique):
        return f"0 %, size of {percent(model.cell.sparsity)}"
    return percent(model.sparsity["prunable"] if is_searched(model.cell.technique) else model.cell.sparsity)


def updates(cell: Aggregate) -> str:
    """Total updates, a span if seeds differ."""
    return span(f"{number:,}" for number in cell.total_updates)


def three_digits(value: float) -> str:
    """A size with three digits or more; never as a power of ten, which would not be sorted by its value."""
    return f"{value:.3g}" if value < 999.5 else f"{value:,.0f}"


def percent(share: float) -> str:
    """A share with no more decimals than it needs, at most one."""
    return f"{round(100 * share, 1):g} %"


def span(texts: Iterable[str]) -> str:
    """The first and last of the texts, or the only one where all are the same."""
    different = sorted(set(texts), key=lambda text: float(text.removesuffix(" %").replace(",", "")))
    if not different:
        return NOTHING
    return different[0] if len(different) == 1 else f"{different[0].removesuffix(' %')}–{different[-1]}"


def by_row(cells: Iterable[Cell]) -> dict[tuple[int, int], Cell]:
    """The places of a table that has a row for each cell."""
    return {(row, 0): cell for row, cell in enumerate(cells)}


def _about(row: Sequence[Aggregate]) -> list[str]:
    return [column.text(row) for column in ROW_COLUMNS]


def _most_seeds(aggregates: Aggregates) -> int:
    return max(len(cell.seeds) for cell in aggregates.values())
