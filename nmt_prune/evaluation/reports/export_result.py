"""The part of a row of ``results.csv`` that is about the model outside of fairseq."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from nmt_prune.evaluation.records.costs import DiskBytes, ExportBleu, Exports, Speed, SpeedRecord

PACKED = ("packed", "packed_int8")
"""In what a run is measured in our own engine."""

DENSE_REFERENCES = ("fairseq", "ctranslate2_int8", "int8")
"""In what the dense model is measured beside every run; the last one is our own engine."""


def megabytes(form: str) -> str:
    """The column with 10^6 bytes of the weights in a form, an attribute of ``DiskBytes``."""
    return f"mb_{form}"


def bleu(program: str) -> str:
    """The column with BLEU in a program, an attribute of ``ExportBleu``."""
    return f"bleu_{program}"


def speed(system: str) -> str:
    """The column with tokens per second of CPU time of a system."""
    return f"tokens_per_cpu_second_{system}"


def speed_to_dense(packed: str, reference: str) -> str:
    """The column with the ratio of a packed model's speed to the dense model's in a program."""
    return f"speed_{packed}_to_dense_{reference}"


NUMBERS = (
    *(megabytes(form.name) for form in fields(DiskBytes)),
    *(bleu(program.name) for program in fields(ExportBleu)),
    *(speed(system) for system in (*PACKED, *(f"dense_{reference}" for reference in DENSE_REFERENCES))),
    *(speed_to_dense(packed, reference) for packed in PACKED for reference in DENSE_REFERENCES),
)
"""Columns that have means."""

COLUMNS = (*NUMBERS, "engine", "export_notes")


@dataclass(frozen=True)
class ExportResult:
    """Sizes, BLEU and speed.

    Attributes:
        numbers: by column, see :data:`NUMBERS`; what was not measured is missing or None.
        engine: what ran the packed models.
        export_notes: why something is missing or other than in fairseq.
    """

    numbers: Mapping[str, float | None] = field(default_factory=dict)
    engine: str | None = None
    export_notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, exports: Exports | None, measured: SpeedRecord | None) -> "ExportResult":
        """Takes the columns from what was measured when the run was scored, and when it was reported."""
        numbers: dict[str, float | None] = {}
        if exports is not None and exports.disk is not None:
            numbers |= {megabytes(form): size / 1e6 for form, size in vars(exports.disk).items()}
        if exports is not None:
            numbers |= {bleu(program): value for program, value in vars(exports.bleu).items()}
        if measured is not None:
            numbers |= _speeds(measured.systems)
        notes = (*(exports.notes if exports else ()), *(measured.notes if measured else ()))
        ran = measured.engine if measured and measured.systems else None
        return cls(numbers, ran, tuple(dict.fromkeys(notes)))

    def __getitem__(self, column: str) -> float | None:
        return self.numbers.get(column)

    def columns(self) -> dict[str, Any]:
        """All columns by name, in their order."""
        return {**{name: self[name] for name in NUMBERS}, "engine": self.engine, "export_notes": self.export_notes}


def _speeds(systems: Mapping[str, Speed]) -> dict[str, float]:
    # A broken model may write nothing, and a coarse clock may not see it do so.
    speeds = {name: one.tokens_per_second for name, one in systems.items() if one.cpu_seconds and one.tokens}
    ratios = {
        speed_to_dense(packed, reference): speeds[packed] / speeds[f"dense_{reference}"]
        for packed in PACKED
        for reference in DENSE_REFERENCES
        if packed in speeds and f"dense_{reference}" in speeds
    }
    return {speed(name): value for name, value in speeds.items()} | ratios
