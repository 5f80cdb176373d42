"""Results over seeds: one aggregate per cell of the table."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from nmt_prune.evaluation.quality.resamples import Difference
from nmt_prune.evaluation.reports.export_result import NUMBERS
from nmt_prune.evaluation.reports.run_result import RunResult
from nmt_prune.techniques import LONGER
from nmt_prune.techniques.labels import ordered


class Cell(NamedTuple):
    """A place in the table; the runs in it differ only in their seeds.

    Attributes:
        technique: what was done.
        sparsity: target sparsity.
        updates: planned total updates where they tell runs of a technique apart, else 0; how many there were of them
            may differ by seed.
    """

    technique: str
    sparsity: float
    updates: int = 0

    @classmethod
    def of(cls, technique: str, sparsity: float, planned_total: int) -> "Cell":
        """The place of a run."""
        return cls(technique, sparsity, planned_total if technique == LONGER else 0)

    @classmethod
    def all_of(cls, row: RunResult) -> "list[Cell]":
        """The places of a run that stands for several techniques."""
        return [cls.of(technique, row.target_sparsity, row.planned_total_updates) for technique in row.techniques]


@dataclass(frozen=True)
class Aggregate:
    """The runs of one technique at one sparsity that differ in their seeds.

    Attributes:
        cell: which ones.
        seeds: their seeds.
        bleu: mean BLEU.
        bleu_std: sample standard deviation of BLEU (n - 1); None for one seed.
        bleu_range: lowest and highest BLEU.
        bleu_delta: mean difference to the dense runs of the same seeds; None where one is missing.
        difference: that difference over seeds and sentences; None where it is not tested.
        significant: whether it is unlikely to be chance, all comparisons with the dense model considered.
        chrf: mean chrF.
        ter: mean TER.
        total_updates: least and most updates behind a run, its ancestors' included.
        other_passes: least and most mini-batches behind a run that no update counts; None where that is not known.
        sparsity: mean measured sparsity over ``prunable``, ``all`` and ``body`` weights.
        megabytes: mean size ``masked`` and ``used``, see :class:`RunResult`; None where one is not known.
        cpu_ratio: mean CPU time relative to the dense model; None where one is not known.
        cpu_measured: whether it was measured for any run, and is not 1 by construction.
        exports: means by column, see :data:`NUMBERS`; None where one is not known.
        engine: what ran the packed models; several where they differ, None where none ran.
    """

    cell: Cell
    seeds: tuple[int, ...]
    bleu: float
    bleu_std: float | None
    bleu_range: tuple[float, float]
    bleu_delta: float | None
    difference: Difference | None
    significant: bool
    chrf: float
    ter: float
    total_updates: tuple[int, int]
    other_passes: tuple[int, int] | None
    sparsity: dict[str, float]
    megabytes: dict[str, float] | None
    cpu_ratio: float | None
    cpu_measured: bool
    exports: dict[str, float | None]
    engine: str | None

    @classmethod
    def of(cls, cell: Cell, rows: list[RunResult], difference: Difference | None = None) -> "Aggregate":
        """Aggregates the rows of a cell."""
        bleu = [row.bleu for row in rows]
        deltas = [row.bleu_delta for row in rows if row.bleu_delta is not None]
        updates = [row.total_updates for row in rows]
        passes = [row.other_passes for row in rows if row.other_passes is not None]
        return cls(
            cell=cell,
            seeds=tuple(sorted(row.seed for row in rows)),
            bleu=statistics.fmean(bleu),
            bleu_std=statistics.stdev(bleu) if len(bleu) > 1 else None,
            bleu_range=(min(bleu), max(bleu)),
            bleu_delta=statistics.fmean(deltas) if len(deltas) == len(rows) else None,
            difference=difference,
            significant=difference is not None and difference.significant,
            chrf=statistics.fmean(row.chrf for row in rows),
            ter=statistics.fmean(row.ter for row in rows),
            total_updates=(min(updates), max(updates)),
            other_passes=(min(passes), max(passes)) if len(passes) == len(rows) else None,
            sparsity={
                "prunable": statistics.fmean(row.sparsity_prunable for row in rows),
                "all": statistics.fmean(row.sparsity_all for row in rows),
                "body": statistics.fmean(row.sparsity_body for row in rows),
            },
            megabytes=_megabytes(rows),
            cpu_ratio=_mean([row.cpu_ratio for row in rows]),
            cpu_measured=any(row.cpu_seconds is not None for row in rows),
            exports={name: _mean([row.exports[name] for row in rows]) for name in NUMBERS},
            engine=" and ".join(sorted({row.exports.engine for row in rows if row.exports.engine})) or None,
        )


def _megabytes(rows: list[RunResult]) -> dict[str, float] | None:
    sizes = {kind: _mean([getattr(row, f"mb_{kind}") for row in rows]) for kind in ("masked", "used")}
    known = {kind: size for kind, size in sizes.items() if size is not None}
    return known if len(known) == len(sizes) else None


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if len(known) == len(values) else None


def aggregate(rows: Iterable[RunResult], differences: Mapping[Cell, Difference] | None = None) -> dict[Cell, Aggregate]:
    """Aggregates rows over seeds; a run that stands for several techniques counts for each.

    Args:
        rows: the rows.
        differences: to the dense model, where they are tested.

    Returns:
        Aggregates in the order of techniques, then sparsity, then updates.
    """
    cells: dict[Cell, list[RunResult]] = defaultdict(list)
    for row in rows:
        for cell in Cell.all_of(row):
            cells[cell].append(row)
    rank = {technique: position for position, technique in enumerate(ordered(cell.technique for cell in cells))}
    in_order = sorted(cells, key=lambda cell: (rank[cell.technique], cell.sparsity, cell.updates))
    return {cell: Aggregate.of(cell, cells[cell], (differences or {}).get(cell)) for cell in in_order}
