"""A figure for the page: one panel without legend, its text alternative, and what each of its points is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from nmt_prune.evaluation.reports.aggregates import Aggregate
from nmt_prune.evaluation.reports.figures.style import STYLE
from nmt_prune.evaluation.reports.tables.bleu import percent, sparsity_of
from nmt_prune.techniques.labels import label

SIZE = (4.8, 3.4)
"""Inches: letters are as large on a phone as in the text beside it."""

PAGE_STYLE: Any = {**STYLE, "svg.fonttype": "none", "figure.facecolor": "none", "axes.facecolor": "none"}
"""Transparent, and text that stays text: the page gives it its colours and letters."""

_MARK = "technique:"


@dataclass(frozen=True)
class Drawing:
    """A figure for the page.

    Attributes:
        name: what tells it from the others of the page.
        caption: what it shows.
        figure: the figure, of :data:`SIZE`.
        points: by technique, its points in words, in the order in which they are drawn.
        key: what lines that are no technique's are.
    """

    name: str
    caption: str
    figure: Figure
    points: Mapping[str, Sequence[str]] = field(default_factory=dict)
    key: str = ""

    @property
    def alternative(self) -> str:
        """What it shows, for those who do not see it."""
        lines = [f"{label(name)}: {'; '.join(points)}." for name, points in self.points.items()]
        return " ".join([f"{self.caption}.", *lines])


def mark(technique: str) -> str:
    """The ``gid`` of what is drawn of a technique."""
    return f"{_MARK}{technique}"


def mark_errors(drawn: ErrorbarContainer, technique: str) -> None:
    """Gives error bars the ``gid`` of their line."""
    _, caps, bars = drawn.lines
    for artist in (*caps, *bars):
        artist.set_gid(mark(technique))


def technique_of(gid: str) -> str | None:
    """The technique of a ``gid``; None for what is of none."""
    return gid.removeprefix(_MARK) if gid.startswith(_MARK) else None


def point_text(model: Aggregate, bleu: float, at: str = "") -> str:
    """A point in words, e.g. ``80 %: BLEU 21.3 ± 0.2 at 1.2 MB``."""
    spread = f" ± {model.bleu_std:.1f}" if model.bleu_std is not None and bleu == model.bleu else ""
    return f"{sparsity_of(model) if model.cell.sparsity else percent(0)}: BLEU {bleu:.1f}{spread}{at and f' at {at}'}"
