"""Size of every system beside its BLEU."""

from collections.abc import Mapping, Sequence
from dataclasses import fields

from nmt_prune.evaluation.records.costs import DiskBytes
from nmt_prune.evaluation.reports.aggregates import Aggregate, Cell
from nmt_prune.evaluation.reports.export_result import megabytes
from nmt_prune.evaluation.reports.run_result import RunResult
from nmt_prune.evaluation.reports.tables.bleu import NOTHING, bleu_cell, by_row, percent, sparsity_of, three_digits
from nmt_prune.evaluation.reports.tables.table import Section, Table
from nmt_prune.techniques import DENSE, LONGER
from nmt_prune.techniques.labels import label

ON_DISK = tuple(megabytes(form.name) for form in fields(DiskBytes))

_LEGEND = (
    "Sizes in 10^6 bytes, of the weights without dictionaries and subword model, without the heads and units that"
    " `nmt-prune shrink` takes out. *In memory*: all in fp32, zeros too.",
    "On disk: *CSC*: compressed sparse columns, fp32 values and 32-bit indices; *deflated*: the same arrays as"
    " `numpy.savez_compressed` writes them, which is `scipy.sparse.save_npz`; *packed*: by `nmt-prune pack`, not a bit"
    " lost, and with `--values int8`.",
)


def cost_section(aggregates: Mapping[Cell, Aggregate], rows: Sequence[RunResult]) -> Section | None:
    """Heading, table and legend; None where no run has sizes."""
    known = [model for cell, model in aggregates.items() if cell.technique != LONGER and model.megabytes]
    if not known:
        return None
    seeds = len({row.seed for row in rows})
    dense = aggregates.get(Cell(DENSE, 0.0))
    in_memory = _in_memory(dense)
    body = [
        [
            label(model.cell.technique),
            sparsity_of(model),
            bleu_cell(model, seeds),
            _megabytes(_in_memory(model), in_memory),
            *(_megabytes(model.exports[kind], dense.exports[kind] if dense else None) for kind in ON_DISK),
        ]
        for model in known
    ]
    headings = ["system", "sparsity", "BLEU", "MB in memory", "MB CSC", "MB deflated", "MB packed", "MB packed int8"]
    return Section("Size", Table(headings, body, by_row(model.cell for model in known)), _LEGEND)


def _in_memory(model: Aggregate | None) -> float | None:
    return model.megabytes["used"] if model and model.megabytes else None


def _megabytes(size: float | None, dense: float | None) -> str:
    if size is None:
        return NOTHING
    return three_digits(size) + (f" ({percent(size / dense)})" if dense else "")
