"""The results of a recipe: one tidy row per run."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from nmt_prune.evaluation.quality.resamples import Resamples
from nmt_prune.evaluation.records.run import ScoreRecord
from nmt_prune.evaluation.reports.export_result import ExportResult
from nmt_prune.evaluation.reports.published import Published
from nmt_prune.files import atomic_path


@dataclass(frozen=True)
class Convention:
    """What must be the same for two scores to stand in one table.

    Attributes:
        data: name of the data folder.
        subset: subset of it that was translated.
        sentences: number of sentences.
        reference_sha256: digest of the reference.
        beam: beam size.
        lenpen: length penalty.
        generate_flags: further flags of fairseq-generate.
        signatures: sacreBLEU's signatures.
    """

    data: str
    subset: str
    sentences: int
    reference_sha256: str
    beam: int
    lenpen: float
    generate_flags: tuple[str, ...]
    signatures: dict[str, str]

    @classmethod
    def of(cls, scores: ScoreRecord) -> "Convention":
        """The convention of one run's scores."""
        return cls(**{one.name: getattr(scores, one.name) for one in fields(cls)})


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


@dataclass(frozen=True)
class Results:
    """The results of a recipe.

    Attributes:
        recipe: its name.
        convention: how all runs were scored.
        rows: one per scored run, sorted by name.
        resamples: BLEU of the runs on resampled test sets.
        unscored: runs that have no scores yet.
        pair: language pair, e.g. ``en-de``; None if the runs do not say.
        published: papers to show beside; only with a pair that they have.
        variants: saliency, schedule and reset of techniques that have others than their own.
    """

    recipe: str
    convention: Convention
    rows: tuple[RunResult, ...]
    resamples: Resamples
    unscored: tuple[str, ...] = ()
    pair: str | None = None
    published: tuple[Published, ...] = ()
    variants: dict[str, str] = field(default_factory=dict)

    def seeds(self) -> list[int]:
        """All seeds."""
        return sorted({row.seed for row in self.rows})


def write_csv(path: Path, rows: Sequence[RunResult]) -> None:
    """Writes one line per run: numbers in full precision, None as nothing, ``also`` separated by blanks and notes by
    semicolons.
    """
    own = [column.name for column in fields(RunResult) if column.name != "exports"]
    columns = [*own, *(column.name for column in fields(ExportResult))]
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            values = asdict(row)
            exports = values.pop("exports")
            joined = {
                "also": " ".join(row.also),
                "left_out": " ".join(map(str, row.left_out)),
                "export_notes": "; ".join(row.exports.export_notes),
            }
            writer.writerow({**values, **exports, **joined})
