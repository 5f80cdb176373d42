"""The figure: BLEU against sparsity, one line per technique, the dense model and its equal-update controls across."""

import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nmt_prune.evaluation.reports.aggregates import Aggregate, Cell
from nmt_prune.evaluation.reports.figures.drawing import PAGE_STYLE, SIZE, Drawing, mark, mark_errors, point_text
from nmt_prune.evaluation.reports.figures.style import GREY, LEGEND_LINE, STYLE, footnote, looks, write
from nmt_prune.evaluation.reports.published import Number, Published
from nmt_prune.evaluation.reports.results import Results
from nmt_prune.evaluation.reports.tables.bleu import updates
from nmt_prune.techniques import DENSE, LONGER
from nmt_prune.techniques.labels import label

MOST_LEGEND_LINES = 10
"""More techniques than these have their legend beside the axes."""

_GAP, _GAP_FOR_PAGE = 0.035, 0.075
"""Least distance of two labelled sparsities, as a share of the axis, which is shorter on the page."""

_PUBLISHED = ((0, (5, 2)), (0, (5, 1.5, 1, 1.5)))


def plot(results: Results, paths: Sequence[Path]) -> None:
    """Draws BLEU against sparsity.

    The x axis shows the logit of the sparsity, which gives both 10 and 20 % and 95 and 98 % room.

    Args:
        results: what to draw.
        paths: files to write; the suffix decides the format (png, svg).
    """
    with matplotlib.rc_context(STYLE):
        write(draw(results), paths)


def draw(results: Results) -> Figure:
    """The figure, not yet written anywhere."""
    aggregates = results.aggregates
    lines = len({cell.technique for cell in aggregates})
    is_crowded = lines > MOST_LEGEND_LINES
    size = (10.4, max(4.6, LEGEND_LINE * lines + 0.8)) if is_crowded else (7.6, 4.6)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    _draw_axes(axes, results, _GAP)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        look: Any = {
            "title": "technique (updates behind it)",
            "fontsize": 8.5,
            "alignment": "left",
            "edgecolor": "none",
        }
        if is_crowded:
            figure.legend(handles, labels, loc="outside right upper", **look)
        else:
            axes.legend(handles, labels, loc="best", **look)
    axes.set_title(f"{results.recipe}: BLEU by sparsity", loc="left", fontsize=10.5)
    footnote(figure, results)
    return figure


def for_page(results: Results) -> Drawing:
    """The same for the page."""
    with matplotlib.rc_context(PAGE_STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        _draw_axes(figure.add_subplot(), results, _GAP_FOR_PAGE)
    points: dict[str, list[str]] = {}
    for cell, model in results.aggregates.items():
        points.setdefault(cell.technique, []).append(point_text(model, model.bleu))
    papers = [f"{paper.label} ({paper.convention})" for paper in results.published]
    key = f"Broken lines: {' and '.join(papers)}, in the colours of the same techniques" if papers else ""
    return Drawing("bleu", "BLEU by sparsity of the prunable weights", figure, points, key)


def _draw_axes(axes: Axes, results: Results, gap: float) -> None:
    """Draws all but title, legend and footnote."""
    aggregates = results.aggregates
    colours = _draw_techniques(axes, aggregates)
    sparsities = {cell.sparsity for cell in aggregates if cell.sparsity > 0}
    papers = list(zip(results.published, cycle(_PUBLISHED), strict=False)) if results.pair else []
    for paper, dashes in papers:
        sparsities |= _draw_published(axes, paper, results.pair or "", colours, dashes)
    _draw_dense(axes, aggregates, [(paper, paper.dense(results.pair or ""), dashes) for paper, dashes in papers])
    _set_sparsity_axis(axes, sorted(sparsities), gap)
    axes.set_ylabel("BLEU")


def _draw_techniques(axes: Axes, aggregates: Mapping[Cell, Aggregate]) -> dict[str, str]:
    """Draws our curves; a rung of 0 has no place on a logit axis.

    Returns:
        The colour of each technique.
    """
    colours: dict[str, str] = {}
    for technique, look in looks(cell.technique for cell in aggregates if cell.sparsity > 0).items():
        points = [aggregates[cell] for cell in aggregates if cell.technique == technique and cell.sparsity > 0]
        colours[technique] = look["color"]
        drawn = axes.errorbar(
            [logit(point.cell.sparsity) for point in points],
            [point.bleu for point in points],
            yerr=[point.bleu_std or 0.0 for point in points] if any(point.bleu_std for point in points) else None,
            label=f"{label(technique)} ({_updates(points)})",
            lw=1.6,
            ms=5,
            capsize=2.5,
            elinewidth=1,
            gid=mark(technique),
            **look,
        )
        mark_errors(drawn, technique)
    return colours


def _draw_published(axes: Axes, paper: Published, pair: str, colours: Mapping[str, str], dashes: Any) -> set[float]:
    """Draws a paper's curves of the techniques that we have too, in the same colours.

    Returns:
        The sparsities drawn.
    """
    drawn: set[float] = set()
    for technique, colour in colours.items():
        curve = {sparsity: number.bleu for sparsity, number in paper.curve(pair, technique).items() if sparsity > 0}
        if curve:
            own: dict[str, Any] = {"marker": "_", "ms": 7} if len(curve) == 1 else {"gid": mark(technique)}
            axes.plot(list(map(logit, curve)), list(curve.values()), color=colour, ls=dashes, lw=1.1, **own)
        drawn |= curve.keys()
    if drawn:
        axes.plot([], [], color=GREY, ls=dashes, lw=1.1, label=f"{paper.label} ({paper.convention})")
    return drawn


def _draw_dense(
    axes: Axes, aggregates: Mapping[Cell, Aggregate], published: Sequence[tuple[Published, Number | None, Any]] = ()
) -> None:
    heights: list[tuple[float, str, str]] = []
    dense = aggregates.get(Cell(DENSE, 0.0))
    if dense is not None:
        axes.axhline(dense.bleu, color="black", lw=1.4, zorder=1)
        if dense.bleu_std:
            axes.axhspan(dense.bleu - dense.bleu_std, dense.bleu + dense.bleu_std, color="black", alpha=0.1, lw=0)
        heights.append((dense.bleu, f"dense ({updates(dense)})", "black"))
    for cell, control in aggregates.items():
        if cell.technique == LONGER:
            axes.axhline(control.bleu, color=GREY, lw=0.9, ls="--", zorder=1)
            heights.append((control.bleu, f"dense, trained on ({updates(control)})", GREY))
    for paper, number, dashes in published:
        if number is not None:
            axes.axhline(number.bleu, color="black", lw=0.9, ls=dashes, zorder=1)
            heights.append((number.bleu, f"dense, {paper.label}", "black"))
    _label_lines(axes, heights)


def _label_lines(axes: Axes, heights: Sequence[tuple[float, str, str]]) -> None:
    """Writes what each horizontal line is to the right of the axes, with a short leader to the line."""
    low, high = axes.get_ylim()
    lines = sorted(heights)
    places = spread([height for height, _, _ in lines], 0.045 * (high - low), high)
    beside = axes.get_yaxis_transform()
    for (height, text, colour), place in zip(lines, places, strict=True):
        axes.plot([1, 1.02], [height, place], color=colour, lw=0.6, clip_on=False, transform=beside, scaley=False)
        axes.text(1.025, place, text, fontsize=8, color=colour, va="center", transform=beside)
    axes.set_ylim(low, high)


def spread(heights: Sequence[float], gap: float, top: float) -> list[float]:
    """Moves ascending heights apart: at least ``gap`` between two, none above ``top``, each near where it was."""
    places: list[float] = []
    for height in heights:
        places.append(max(height, places[-1] + gap) if places else height)
    for index in reversed(range(len(places))):
        ceiling = top if index == len(places) - 1 else places[index + 1] - gap
        places[index] = min(places[index], ceiling)
    return places


def _set_sparsity_axis(axes: Axes, sparsities: Sequence[float], gap: float) -> None:
    """One tick per sparsity; where two are closer than ``gap``, a share of the axis, the lower has no label."""
    left, right = axes.get_xlim()
    ticks = [logit(sparsity) for sparsity in sparsities]
    labels: list[str] = []
    last = math.inf
    for sparsity, tick in reversed(list(zip(sparsities, ticks, strict=True))):
        fits = last - tick > gap * (right - left)
        labels.insert(0, f"{round(100 * sparsity, 1):g}" if fits else "")
        last = tick if fits else last
    axes.set_xticks(ticks, labels)
    axes.set_xlim(left, right)
    axes.set_xlabel("sparsity of the prunable weights in % (logit scale)")


def logit(share: float) -> float:
    """Position of a sparsity on the x axis: log(s / (1 - s))."""
    return math.log(share / (1 - share))


def _updates(points: Sequence[Aggregate]) -> str:
    low = min(point.total_updates[0] for point in points)
    high = max(point.total_updates[1] for point in points)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
