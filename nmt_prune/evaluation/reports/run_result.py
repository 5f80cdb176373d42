"""One tidy row per run: ``results.csv``."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from nmt_prune.evaluation.reports.export_result import COLUMNS, ExportResult
from nmt_prune.files import atomic_path


@dataclass(frozen=True)
class RunResult:
    """One row of ``results.csv``. Sparsities are 0 to 1; ``bleu_delta`` and ``bleu_p_value`` compare with the dense
    run of the same seed and are None without one; ``bleu_low`` and ``bleu_high`` bound BLEU's 95 % confidence interval.
    ``left_out`` are lines that are too long for the model and have an empty hypothesis. ``other_passes`` are
    mini-batches behind it that no update counts, see :mod:`nmt_prune.evaluation.records.other_passes`.

    Megabytes (10^6) are of the parameters: ``mb_masked`` in fp32 with zeros, ``mb_used`` in fp32 without heads and
    units that are gone. ``cpu_ratio`` is CPU time of fairseq relative to the dense model; without the seconds of a
    measurement it is 1 by construction. The fields of ``exports`` are columns like the others.
    """

    run: str
    technique: str
    also: tuple[str, ...]
    target_sparsity: float
    sparsity_prunable: float
    sparsity_all: float
    sparsity_body: float
    seed: int
    updates: int
    planned_updates: int
    total_updates: int
    planned_total_updates: int
    dev_bleu: float | None
    bleu: float
    bleu_low: float
    bleu_high: float
    bleu_delta: float | None
    bleu_p_value: float | None
    chrf: float
    ter: float
    checkpoint: str
    bleu_signature: str
    chrf_signature: str
    ter_signature: str
    cut_not_closed: float | None = None
    cut_loss_before: float | None = None
    cut_loss_after: float | None = None
    mb_masked: float | None = None
    mb_used: float | None = None
    cpu_ratio: float | None = None
    cpu_seconds: float | None = None
    cpu_seconds_dense: float | None = None
    left_out: tuple[int, ...] = ()
    other_passes: int | None = None
    exports: ExportResult = field(default_factory=ExportResult)

    @property
    def techniques(self) -> tuple[str, ...]:
        """All techniques whose result this is."""
        return (self.technique, *self.also)

    def as_json(self) -> dict[str, Any]:
        """All columns as JSON values, those of ``exports`` together."""
        return {**asdict(self), "exports": self.exports.columns()}


def write_csv(path: Path, rows: Sequence[RunResult]) -> None:
    """Writes one line per run: numbers in full precision, None as nothing, ``also`` separated by blanks and notes by
    semicolons.
    """
    own = [column.name for column in fields(RunResult) if column.name != "exports"]
    columns = [*own, *COLUMNS]
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            values = row.as_json()
            exports = values.pop("exports")
            joined = {
                "also": " ".join(row.also),
                "left_out": " ".join(map(str, row.left_out)),
                "export_notes": "; ".join(row.exports.export_notes),
            }
            writer.writerow({**values, **exports, **joined})
