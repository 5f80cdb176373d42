"""The answer at a glance: a few sentences, and what is marked in the table."""

from dataclasses import dataclass

from nmt_prune.evaluation.reports.aggregates import Aggregate, Cell
from nmt_prune.evaluation.reports.export_result import megabytes
from nmt_prune.evaluation.reports.results import Results
from nmt_prune.evaluation.reports.tables.bleu import percent, three_digits, updates
from nmt_prune.evaluation.reports.tables.legend import how_tested
from nmt_prune.evaluation.reports.tables.table import Table
from nmt_prune.techniques import DENSE, LONGER
from nmt_prune.techniques.labels import is_control, is_searched, label

REFERENCE = "mp"
"""The technique that others are tested against beside the dense model."""
MARK = "†"


@dataclass(frozen=True)
class Marks:
    """What is marked in a table.

    Attributes:
        best: places of the best mean BLEU of their sparsity.
        other: places that differ from :data:`REFERENCE`.
        legend: what the marks mean, in Markdown.
    """

    best: frozenset[tuple[int, int]]
    other: frozenset[tuple[int, int]]
    legend: tuple[str, ...]


def marks(results: Results, table: Table) -> Marks:
    """Finds the best of each sparsity, and what differs from MP at the same sparsity."""
    models = {place: results.aggregates[cell] for place, cell in table.cells.items()}
    dense = results.aggregates.get(Cell(DENSE, 0.0))
    best = {} if dense is None else {0.0: round(dense.bleu, 1)}  # what is no sparser must be as good
    for model in models.values():
        best[model.cell.sparsity] = max(best.get(model.cell.sparsity, 0.0), round(model.bleu, 1))
    differences = results.differences(REFERENCE)
    legend = ["**Bold**: the best mean of its sparsity, to the decimal shown; it need not be significantly better."]
    if differences:
        legend.append(
            f"`{MARK}`: differs from {label(REFERENCE)} of the same sparsity {how_tested(results.seeds(), differences)}"
        )
    return Marks(
        frozenset(place for place, model in models.items() if round(model.bleu, 1) == best[model.cell.sparsity]),
        frozenset(
            place for place, cell in table.cells.items() if cell in differences and differences[cell].significant
        ),
        tuple(legend),
    )


def lead(results: Results) -> list[str]:
    """Sentences in Markdown: the dense model, what is as good and sparsest, and the best where it is sparsest."""
    dense = results.aggregates.get(Cell(DENSE, 0.0))
    pruned = [
        model
        for cell, model in results.aggregates.items()
        if cell.sparsity > 0 and not is_control(cell.technique) and not is_searched(cell.technique)
    ]
    sentences = (
        []
        if dense is None
        else [f"The dense model has **{_bleu(dense)}** after {updates(dense)} updates{_size(dense)}."]
    )
    if dense is not None and pruned:
        as_good = [model for model in pruned if model.bleu >= dense.bleu]
        sentences.append(
            f"The sparsest system with at least its mean BLEU: {_system(max(as_good, key=_sparsest), dense)}."
            if as_good
            else "No pruned system has its mean BLEU."
        )
    if pruned:
        top = max(model.cell.sparsity for model in pruned)
        best = max((model for model in pruned if model.cell.sparsity == top), key=lambda model: model.bleu)
        sentences.append(f"The best at {percent(top)}: {_system(best, dense)}.")
    longer = [model for cell, model in results.aggregates.items() if cell.technique == LONGER]
    if longer:
        most = max(longer, key=lambda model: model.total_updates)
        sentences.append(
            f"The dense model trained on to {updates(most)} updates has {_bleu(most)}: more updates alone do that."
        )
    return sentences


def _sparsest(model: Aggregate) -> tuple[float, float]:
    return model.cell.sparsity, model.bleu


def _system(model: Aggregate, dense: Aggregate | None) -> str:
    mark = "*" if model.significant else ""
    delta = "" if model.bleu_delta is None else f" ({model.bleu_delta:+.1f}{mark} to the dense model)"
    at = f"{label(model.cell.technique)} at {percent(model.cell.sparsity)} with "
    return f"{at}**{_bleu(model)}**{delta} after {updates(model)} updates{_size(model, dense)}"


def _bleu(model: Aggregate) -> str:
    return f"{model.bleu:.1f} BLEU" if model.bleu_std is None else f"{model.bleu:.1f} ± {model.bleu_std:.1f} BLEU"


def _size(model: Aggregate, dense: Aggregate | None = None) -> str:
    size = model.exports[megabytes("packed")]
    whole = dense.exports[megabytes("packed")] if dense else None
    share = f", {percent(size / whole)} of the dense model" if size and whole else ""
    return f", packed {three_digits(size)} MB{share}" if size else ""
