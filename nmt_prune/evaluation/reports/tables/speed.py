"""Speed of every system on a CPU beside its BLEU there."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from nmt_prune.evaluation.reports.aggregates import Aggregate, Cell
from nmt_prune.evaluation.reports.export_result import DENSE_REFERENCES, PACKED, bleu, speed, speed_to_dense
from nmt_prune.evaluation.reports.run_result import RunResult
from nmt_prune.evaluation.reports.tables.bleu import NOTHING, bleu_cell, by_row, sparsity_of
from nmt_prune.evaluation.reports.tables.size import ON_DISK
from nmt_prune.evaluation.reports.tables.table import Section, Table
from nmt_prune.techniques import LONGER
from nmt_prune.techniques.labels import label

BY_CONSTRUCTION = "1 (dense)"
CLOSE = 0.05
"""Largest difference between two programs' BLEU of the same fp32 model that is not worth a remark."""

_HEADINGS = ["system", "sparsity", "BLEU", "BLEU packed", "BLEU CTranslate2", "CPU time shrunk", "tokens/s"]
_RATIOS = ["× fairseq", "× CTranslate2 int8", "× own int8"]

_SHRUNK = (
    "*CPU time shrunk*: of fairseq translating with the shrunk model, relative to the same model before shrinking,"
    " which is as slow as the dense one: the same sentences in turns, one thread, user and system time without loading."
    f" *{BY_CONSTRUCTION}*: nothing, or less than 1 % of the parameters, can be taken out."
)

_SPEED = (
    "*BLEU packed* and *CTranslate2*: of the same test set by `nmt-prune translate` and by CTranslate2 in int8, from"
    " raw text.",
    "*tokens/s*: subwords that the packed model (engine: {engine}) writes in a second of CPU time of one thread, in"
    " batches of eight sentences, without loading. *×*: that speed relative to the **dense** model of the same seed in"
    " fairseq, in CTranslate2 in int8, and in our own engine in int8, on the same sentences in turns in one process.",
    "Where two numbers stand in a cell, the first is in fp32 and the second in int8 (`nmt-prune pack --values int8`).",
)


def speed_section(aggregates: Mapping[Cell, Aggregate], rows: Sequence[RunResult]) -> Section | None:
    """Heading, table, legend and remarks; None where no run has a speed.

    Another training of the dense model is as fast as that one.
    """
    models = [
        model
        for cell, model in aggregates.items()
        if cell.technique != LONGER and (model.cpu_ratio is not None or any(value for value in _elsewhere(model)))
    ]
    if not models:
        return None
    seeds = len({row.seed for row in rows})
    body = [
        [
            label(model.cell.technique),
            sparsity_of(model),
            bleu_cell(model, seeds),
            _pair(model, bleu, ".1f"),
            _number(model.exports[bleu("ctranslate2_int8")], ".1f"),
            _shrunk(model),
            _pair(model, speed, ",.0f"),
            *(_pair(model, partial(speed_to_dense, reference=reference), ".3g") for reference in DENSE_REFERENCES),
        ]
        for model in models
    ]
    engines = " or ".join(sorted({model.engine for model in models if model.engine}))
    legend = [_SHRUNK, *(line.format(engine=engines or "not measured") for line in _SPEED), *remarks(rows)]
    table = Table(_HEADINGS + _RATIOS, body, by_row(model.cell for model in models))
    return Section("Speed on a CPU", table, legend)


def remarks(rows: Sequence[RunResult]) -> list[str]:
    """Where fairseq's BLEU and the packed model's differ, and the runs' notes."""
    lines = [
        f"`{row.run}`: BLEU {row.bleu:.2f} in fairseq, {packed:.2f} packed."
        for row in rows
        if (packed := row.exports[bleu("packed")]) is not None and abs(packed - row.bleu) > CLOSE
    ]
    by_note: dict[str, list[str]] = {}
    for row in rows:
        for note in row.exports.export_notes:
            by_note.setdefault(note, []).append(f"`{row.run}`")
    for note, runs in by_note.items():
        lines.append(f"{note} ({'all runs' if len(runs) == len(rows) else ', '.join(runs)}).")
    return lines


def _elsewhere(model: Aggregate) -> list[float | None]:
    return [value for name, value in model.exports.items() if name not in ON_DISK]


def _shrunk(model: Aggregate) -> str:
    if model.cpu_ratio is None:
        return NOTHING
    return f"{model.cpu_ratio:.2f}" if model.cpu_measured else BY_CONSTRUCTION


def _pair(model: Aggregate, column: Callable[[str], str], kind: str) -> str:
    """A number of the packed model, and that of it in int8; only one NOTHING where both are unknown."""
    found = [_number(model.exports[column(packed)], kind) for packed in PACKED]
    return NOTHING if set(found) == {NOTHING} else " / ".join(found)


def _number(value: float | None, kind: str) -> str:
    return NOTHING if value is None else format(value, kind)
