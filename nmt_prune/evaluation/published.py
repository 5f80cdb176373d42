"""Published numbers, each with the convention that its BLEU was computed by.

A further paper is a CSV file in the folder ``published`` and an entry of ``papers.yaml`` there.
"""

import csv
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from nmt_prune.errors import PruneError
from nmt_prune.techniques import DENSE

FOLDER = Path(__file__).with_name("published")


@dataclass(frozen=True)
class Number:
    """What a paper reports of one model.

    Attributes:
        bleu: BLEU by the paper's convention.
        ter: TER in per cent; None if it is not reported.
        memory_mb: size that the paper gives, in MB; None if it gives none.
        source: where it stands.
    """

    bleu: float
    ter: float | None
    memory_mb: float | None
    source: str


@dataclass(frozen=True)
class Published:
    """The numbers of a paper.

    Attributes:
        name: by which recipes call it.
        label: by which readers know it.
        title: authors, year and title.
        test_set: what was translated.
        convention: how its BLEU was computed.
        notes: what else must be known.
        numbers: by language pair, technique and sparsity (0 to 1); the dense model is the technique ``dense``.
    """

    name: str
    label: str
    title: str
    test_set: str
    convention: str
    notes: tuple[str, ...]
    numbers: Mapping[tuple[str, str, float], Number] = field(repr=False)

    def require(self, pair: str) -> None:
        """Refuses a language pair that the paper has no numbers for.

        Raises:
            PruneError: it has none.
        """
        pairs = sorted({known for known, _, _ in self.numbers})
        if pair not in pairs:
            raise PruneError(f"published: {self.name} has no numbers for {pair}, only for {' and '.join(pairs)}")

    def find(self, pair: str, technique: str, sparsity: float) -> Number | None:
        """The number of a model, or None; sparsity is 0 to 1."""
        return self.numbers.get((pair, technique, round(sparsity, 6)))

    def curve(self, pair: str, technique: str) -> dict[float, Number]:
        """The numbers of a technique by rising sparsity (0 to 1)."""
        found = {key[2]: number for key, number in self.numbers.items() if key[:2] == (pair, technique)}
        return dict(sorted(found.items()))

    def dense(self, pair: str) -> Number | None:
        """The number of the dense model."""
        return self.find(pair, DENSE, 0.0)


def published_papers() -> list[str]:
    """Names of all papers."""
    return sorted(_descriptions())


@cache
def load_published(name: str) -> Published:
    """Reads the numbers of a paper.

    Raises:
        PruneError: there is no such paper.
    """
    descriptions = _descriptions()
    if name not in descriptions:
        close = difflib.get_close_matches(name, descriptions, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {' and '.join(sorted(descriptions))}"
        raise PruneError(f"published: no numbers of {name!r}; {hint}")
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        numbers = {
            (row["pair"], row["technique"], round(float(row["sparsity"]) / 100, 6)): Number(
                bleu=float(row["bleu"]),
                ter=_float(row["ter"]),
                memory_mb=_float(row["memory_mb"]),
                source=row["source"],
            )
            for row in csv.DictReader(file)
        }
    description = descriptions[name]
    return Published(name=name, **{**description, "notes": tuple(description["notes"])}, numbers=numbers)


@cache
def _descriptions() -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load((FOLDER / "papers.yaml").read_text(encoding="utf-8")))


def _float(text: str) -> float | None:
    return float(text) if text else None
