"""Markdown: size and CPU time of every system beside its BLEU."""

from collections.abc import Mapping, Sequence

from nmt_prune.evaluation.aggregates import Aggregate
from nmt_prune.evaluation.results import RunResult
from nmt_prune.evaluation.tables import NOTHING, bleu_cell, markdown, percent, sparsity_of
from nmt_prune.evaluation.techniques import DENSE, LONGER, Cell, label

BY_CONSTRUCTION = "1 (dense)"

_LEGEND = f"""\
- *stored*: surviving weights in fp32, or in their bits where quantized, and an index of one bit per weight (or group)
  of each pruned matrix; *in memory*: fp32, without the heads and units that `nmt-prune shrink` takes out. Parameters
  only, 10^6 bytes.
- *CPU time* of translating with the shrunk model, relative to the same model before shrinking, which is as slow as the
  dense one: the same sentences in turns, one thread, user and system time without loading. *{BY_CONSTRUCTION}*:
  nothing, or less than 1 % of the parameters, can be taken out, so that the model is as slow as the dense one."""


def cost_section(aggregates: Mapping[Cell, Aggregate], rows: Sequence[RunResult]) -> str:
    """Heading, table and legend; nothing where no run has costs."""
    known = [model for cell, model in aggregates.items() if cell.technique != LONGER and model.megabytes]
    if not known:
        return ""
    seeds = len({row.seed for row in rows})
    dense = aggregates.get(Cell(DENSE, 0.0))
    body = [
        [
            label(model.cell.technique),
            sparsity_of(model),
            bleu_cell(model, seeds),
            *(_megabytes(model, kind, dense) for kind in ("stored", "used")),
            _cpu_time(model),
        ]
        for model in known
    ]
    headings = ["system", "sparsity", "BLEU", "MB stored", "MB in memory", "CPU time"]
    return "\n\n".join(["## Size and CPU time", markdown(headings, body), _LEGEND])


def _megabytes(model: Aggregate, kind: str, dense: Aggregate | None) -> str:
    assert model.megabytes is not None
    size = f"{model.megabytes[kind]:.3g}"
    if dense is None or dense.megabytes is None:
        return size
    return f"{size} ({percent(model.megabytes[kind] / dense.megabytes[kind])})"


def _cpu_time(model: Aggregate) -> str:
    if model.cpu_ratio is None:
        return NOTHING
    return f"{model.cpu_ratio:.2f}" if model.cpu_measured else BY_CONSTRUCTION
