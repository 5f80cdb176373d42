"""How figures look: a colour and a marker for each technique, the same in every figure of a report."""

from collections.abc import Iterable, Sequence
from itertools import count, cycle
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from nmt_prune.evaluation.reports.results import Results
from nmt_prune.files import atomic_path
from nmt_prune.techniques import DENSE
from nmt_prune.techniques.labels import is_control, ordered

# Okabe & Ito's colours, without the yellow that is too pale for a line: told apart with any colour vision.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#777777"
GRID = "#e6e6e6"
LEGEND_LINE = 0.2
"""Height of a legend's line in inches."""
STYLE: Any = {
    # Without a salt of our own the ids in an SVG are random: the same results must give the same bytes.
    "svg.hashsalt": "nmt-prune",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
}


def looks(techniques: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Colour, marker and line of each technique but the dense model, in the order of techniques; controls are grey."""
    found: dict[str, dict[str, Any]] = {}
    # A round of colours later each has another marker, so that no two of 49 techniques look alike.
    colours, markers = cycle(COLOURS), (_MARKERS[(i + i // len(_MARKERS)) % len(_MARKERS)] for i in count())
    control_markers = cycle(_MARKERS)
    for technique in ordered(techniques):
        if technique == DENSE:
            continue
        if is_control(technique):
            found[technique] = {"color": GREY, "marker": next(control_markers), "ls": ":", "mfc": "white"}
        else:
            found[technique] = {"color": next(colours), "marker": next(markers), "ls": "-"}
    return found


def write(figure: Figure, paths: Sequence[Path]) -> None:
    """Writes a figure; the suffix of a path decides the format (png, svg)."""
    for path in paths:
        with atomic_path(path) as temporary:
            kind = path.suffix.removeprefix(".")
            figure.savefig(temporary, format=kind, dpi=200, metadata={"Date": None} if kind == "svg" else None)


def footnote(figure: Figure, results: Results) -> None:
    """Writes under a figure how its numbers came about."""
    how, seeds = results.convention, results.seeds()
    spread = f"mean ± sample standard deviation over {len(seeds)} seeds" if len(seeds) > 1 else "one seed"
    text = f"{how.data} {how.subset}, beam {how.beam}, {spread}; sacreBLEU {how.signatures['bleu']}"
    figure.supxlabel(text, fontsize=6.5, color=GREY, x=0.01, ha="left")
