"""The part of a row of ``results.csv`` that is about the model outside of fairseq."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from nmt_prune.evaluation.records.costs import Exports, Speed, SpeedRecord

DENSE_REFERENCES = ("fairseq", "ctranslate2_int8", "int8")
"""In what the dense model is measured beside every run; the last one is our own engine."""


@dataclass(frozen=True)
class ExportResult:
    """Sizes, BLEU and speed; None where something was not measured.

    Attributes:
        mb_csc: 10^6 bytes of the weights, like all sizes; see :class:`nmt_prune.evaluation.records.costs.DiskBytes`.
        mb_csc_deflated: see there.
        mb_packed: see there.
        mb_packed_int8: see there.
        bleu_packed: see :class:`nmt_prune.evaluation.records.costs.ExportBleu`.
        bleu_packed_int8: see there.
        bleu_ctranslate2_int8: see there.
        tokens_per_cpu_second_packed: speed of the packed model.
        tokens_per_cpu_second_packed_int8: the same packed in int8.
        tokens_per_cpu_second_dense_fairseq: of the dense model in fairseq, beside these.
        tokens_per_cpu_second_dense_ctranslate2_int8: in CTranslate2 in int8.
        tokens_per_cpu_second_dense_int8: in our engine in int8.
        speed_packed_to_dense_fairseq: ratio of the two.
        speed_packed_to_dense_ctranslate2_int8: ratio of the two.
        speed_packed_to_dense_int8: ratio of the two.
        speed_packed_int8_to_dense_fairseq: ratio of the two.
        speed_packed_int8_to_dense_ctranslate2_int8: ratio of the two.
        speed_packed_int8_to_dense_int8: ratio of the two.
        engine: what ran the packed models.
        export_notes: why something is missing or other than in fairseq.
    """

    mb_csc: float | None = None
    mb_csc_deflated: float | None = None
    mb_packed: float | None = None
    mb_packed_int8: float | None = None
    bleu_packed: float | None = None
    bleu_packed_int8: float | None = None
    bleu_ctranslate2_int8: float | None = None
    tokens_per_cpu_second_packed: float | None = None
    tokens_per_cpu_second_packed_int8: float | None = None
    tokens_per_cpu_second_dense_fairseq: float | None = None
    tokens_per_cpu_second_dense_ctranslate2_int8: float | None = None
    tokens_per_cpu_second_dense_int8: float | None = None
    speed_packed_to_dense_fairseq: float | None = None
    speed_packed_to_dense_ctranslate2_int8: float | None = None
    speed_packed_to_dense_int8: float | None = None
    speed_packed_int8_to_dense_fairseq: float | None = None
    speed_packed_int8_to_dense_ctranslate2_int8: float | None = None
    speed_packed_int8_to_dense_int8: float | None = None
    engine: str | None = None
    export_notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, exports: Exports | None, speed: SpeedRecord | None) -> "ExportResult":
        """Takes the columns from what was measured when the run was scored, and when it was reported."""
        values: dict[str, float] = {}
        if exports is not None and exports.disk is not None:
            values |= {f"mb_{kind}": size / 1e6 for kind, size in vars(exports.disk).items()}
        if exports is not None:
            values |= {f"bleu_{kind}": bleu for kind, bleu in vars(exports.bleu).items()}
        if speed is not None:
            values |= _speeds(speed.systems)
        notes = (*(exports.notes if exports else ()), *(speed.notes if speed else ()))
        ran = speed.engine if speed and speed.systems else None
        return cls(**values, engine=ran, export_notes=tuple(dict.fromkeys(notes)))


NUMBERS = tuple(field.name for field in fields(ExportResult) if field.name not in ("engine", "export_notes"))
"""Columns that have means."""


def _speeds(systems: Mapping[str, Speed]) -> dict[str, float]:
    # A broken model may write nothing, and a coarse clock may not see it do so.
    speeds = {name: speed.tokens_per_second for name, speed in systems.items() if speed.cpu_seconds and speed.tokens}
    ratios = {
        f"speed_{kind}_to_dense_{reference}": speeds[kind] / speeds[f"dense_{reference}"]
        for kind in ("packed", "packed_int8")
        for reference in DENSE_REFERENCES
        if kind in speeds and f"dense_{reference}" in speeds
    }
    return {f"tokens_per_cpu_second_{name}": speed for name, speed in speeds.items()} | ratios
