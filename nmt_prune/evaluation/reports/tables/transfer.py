"""The transfer matrix: BLEU of every corpus' masks on every corpus, and which are as good as the dense model."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nmt_prune.evaluation.reports.aggregates import Aggregate, Cell
from nmt_prune.evaluation.reports.results import Results
from nmt_prune.evaluation.reports.tables.bleu import NOTHING, percent
from nmt_prune.evaluation.reports.tables.table import Section, Table
from nmt_prune.files import atomic_path
from nmt_prune.techniques import DENSE
from nmt_prune.techniques.labels import is_control, label, ordered

OWN = "slt"
TRANSFERRED = "from-"
"""Technique of a run on the target with its own mask, and beginning of the technique with another corpus' mask."""

PARENT = "weights-from-"
"""Beginning of the technique with another corpus' mask and weights."""

WITHIN = "✓"


@dataclass(frozen=True)
class TransferMatrix:
    """Masks (rows) on targets (columns).

    Attributes:
        name: the recipe.
        sparsity: at which they are compared.
        results: results of each target.
        dense: the dense model of each target.
        cells: what there is, by row and target. A row is a corpus whose masks they are, the same with its weights, or a
            control on the target's own masks.
        sources: rows that are corpora.
        parents: rows that are corpora with their weights.
        controls: rows that are controls.
    """

    name: str
    sparsity: float
    results: Mapping[str, Results]
    dense: Mapping[str, Aggregate]
    cells: Mapping[tuple[str, str], Aggregate]
    sources: tuple[str, ...]
    parents: tuple[str, ...]
    controls: tuple[str, ...]

    @classmethod
    def of(cls, name: str, results: Mapping[str, Results]) -> "TransferMatrix":
        """Builds the matrix at the highest sparsity that was transferred to, or else trained.

        Args:
            name: the recipe.
            results: results of each target, in the order of the matrix.
        """
        aggregates = {target: found.aggregates for target, found in results.items()}
        sparsity = max(cell.sparsity for found in aggregates.values() for cell in found)
        cells: dict[tuple[str, str], Aggregate] = {}
        controls: set[str] = set()
        for target, found in aggregates.items():
            for cell, model in found.items():
                if cell.sparsity != sparsity:
                    continue
                row = target if cell.technique == OWN else cell.technique.removeprefix(TRANSFERRED)
                controls |= {row} if is_control(row) else set()
                cells[row, target] = model
        dense = {target: found[Cell(DENSE, 0.0)] for target, found in aggregates.items() if Cell(DENSE, 0.0) in found}
        parents = tuple(f"{PARENT}{source}" for source in results if f"{PARENT}{source}" in {row for row, _ in cells})
        return cls(name, sparsity, results, dense, cells, tuple(results), parents, tuple(ordered(controls)))

    @property
    def rows(self) -> dict[str, str]:
        """The rows with the names that readers see."""
        masks = {source: f"mask from {source}" for source in self.sources}
        masks |= {parent: f"mask and weights from {parent.removeprefix(PARENT)}" for parent in self.parents}
        return masks | {control: label(control) for control in self.controls}

    def is_within(self, row: str, target: str) -> bool:
        """Whether mean BLEU is at least the dense model's mean less its standard deviation over seeds (Chen 2020)."""
        model, dense = self.cells[row, target], self.dense.get(target)
        return dense is not None and dense.bleu_std is not None and model.bleu >= dense.bleu - dense.bleu_std

    def delta(self, row: str, target: str) -> float | None:
        """Mean BLEU less that of the target's dense model; None where there is none of either."""
        if (row, target) not in self.cells or target not in self.dense:
            return None
        return self.cells[row, target].bleu - self.dense[target].bleu

    def table(self) -> Table:
        """The matrix, the dense models on top."""
        rows = [["dense", *(_bleu(self.dense.get(target)) for target in self.sources)]]
        deltas: dict[tuple[int, int], float] = {}
        for row, name in self.rows.items():
            found = enumerate(self.delta(row, target) for target in self.sources)
            deltas |= {(len(rows), 1 + column): delta for column, delta in found if delta is not None}
            rows.append([name, *(self._cell(row, target) for target in self.sources)])
        lowest, highest = min(deltas.values(), default=0.0), max(deltas.values(), default=0.0)
        shades = {place: (delta - lowest) / ((highest - lowest) or 1.0) for place, delta in deltas.items()}
        return Table(["", *(f"on {target}" for target in self.sources)], rows, shades=shades)

    def _cell(self, row: str, target: str) -> str:
        delta = self.delta(row, target)
        if delta is None:
            return _bleu(self.cells.get((row, target)))
        mark = f" {WITHIN}" if self.is_within(row, target) else ""
        return f"{_bleu(self.cells[row, target])} ({delta:+.1f}){mark}"

    @property
    def title(self) -> str:
        """What it is."""
        return f"{self.name}: BLEU by mask and target"

    def section(self) -> Section:
        """Table and legend."""
        lines = [
            f"`{WITHIN}`: mean BLEU is at least the target's dense model's less its standard deviation over seeds;"
            " with a few seeds this is a weak statement.",
            f"Sparsity {percent(self.sparsity)}; every mask is put on the target's own θ_t and trained as long as its"
            " dense model. In parentheses: difference to that. Controls: with the target's own mask, or instead of it.",
            *(["*Mask and weights*: on θ_T of the source's dense model, embeddings by subword."] * bool(self.parents)),
            *(f"{target}: {_convention(found)}" for target, found in self.results.items()),
        ]
        return Section("", self.table(), lines)

    def text(self) -> str:
        """Title, table and legend in Markdown."""
        return f"# {self.title}\n\n{self.section().markdown()}\n"

    def write_csv(self, path: Path) -> None:
        """Writes one line per cell, the dense models with the row ``dense``."""
        with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["row", "target", "sparsity", "seeds", "bleu", "bleu_std", "bleu_delta", "within_one_std"])
            for target, model in self.dense.items():
                writer.writerow([DENSE, target, 0.0, len(model.seeds), model.bleu, model.bleu_std, 0.0, ""])
            for (row, target), model in self.cells.items():
                spread = [len(model.seeds), model.bleu, model.bleu_std]
                within = [self.delta(row, target), self.is_within(row, target)]
                writer.writerow([row, target, self.sparsity, *spread, *within])


def _bleu(model: Aggregate | None) -> str:
    if model is None:
        return NOTHING
    return f"{model.bleu:.1f}" if model.bleu_std is None else f"{model.bleu:.1f} ± {model.bleu_std:.1f}"


def _convention(results: Results) -> str:
    how, seeds = results.convention, ", ".join(map(str, results.seeds()))
    return f"`{how.subset}` of `{how.data}`, beam {how.beam}, seeds {seeds}; sacreBLEU `{how.signatures['bleu']}`."
