"""The figures of costs: BLEU against size, CPU time and speed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from nmt_prune.evaluation.reports.aggregates import Aggregate, Cell
from nmt_prune.evaluation.reports.export_result import bleu, megabytes, speed, speed_to_dense
from nmt_prune.evaluation.reports.figures.drawing import PAGE_STYLE, SIZE, Drawing, mark, mark_errors, point_text
from nmt_prune.evaluation.reports.figures.style import GREY, LEGEND_LINE, STYLE, footnote, looks, write
from nmt_prune.evaluation.reports.results import Results
from nmt_prune.evaluation.reports.tables.bleu import three_digits
from nmt_prune.techniques import DENSE, LONGER
from nmt_prune.techniques.labels import label


class CostAxis(NamedTuple):
    """Something that a model costs.

    Attributes:
        axis: what it is, with its unit.
        name: what it is in a word.
        unit: what stands behind a number.
        of: its value for an aggregate; None where it is not known.
        is_measured: whether the value is one of this model, and not the dense model's by construction.
        is_log: whether the axis is logarithmic; otherwise it starts at 0.
        bleu: BLEU of the model where it costs that; None where it is not known.
        marks: values that it has for others, by what they are called, given the dense model.
    """

    axis: str
    name: str
    unit: str
    of: Callable[[Aggregate], float | None]
    is_measured: Callable[[Aggregate], bool] = lambda model: True
    is_log: bool = True
    bleu: Callable[[Aggregate], float | None] = lambda model: model.bleu
    marks: Mapping[str, Callable[[Aggregate], float | None]] = {}


PACKED = CostAxis(
    "on disk: nmt-prune pack in fp32, MB (log scale)",
    *("size on disk", "MB"),
    lambda model: model.exports[megabytes("packed")],
)
USED = CostAxis(
    "in memory: fp32, without what shrink takes out, MB (log scale)",
    *("size in memory", "MB"),
    lambda model: model.megabytes["used"] if model.megabytes else None,
)
CPU_TIME = CostAxis(
    "CPU time of the shrunk model in fairseq, relative to the dense one\n"
    "hollow: as slow as that, nothing can be taken out",
    *("CPU time of the shrunk model", "of dense"),
    lambda model: model.cpu_ratio,
    lambda model: model.cpu_measured,
    is_log=False,
)


def _relative(reference: str) -> Callable[[Aggregate], float | None]:
    """Speed of the dense model in another program, relative to fairseq."""

    def of(dense: Aggregate) -> float | None:
        other, fairseq = (dense.exports[speed(f"dense_{name}")] for name in (reference, "fairseq"))
        return other / fairseq if other and fairseq else None

    return of


_DENSE_ELSEWHERE = {
    "dense int8, CTranslate2": _relative("ctranslate2_int8"),
    "dense int8, our engine": _relative("int8"),
}
SPEED = CostAxis(
    "speed packed in fp32, relative to dense fairseq\n(tokens/s, one thread)",
    *("speed in fp32", "× dense fairseq"),
    lambda model: model.exports[speed_to_dense("packed", "fairseq")],
    is_log=False,
    marks=_DENSE_ELSEWHERE,
)
SPEED_INT8 = CostAxis(
    "speed packed in int8, relative to dense fairseq\nBLEU in int8",
    *("speed in int8", "× dense fairseq"),
    lambda model: model.exports[speed_to_dense("packed_int8", "fairseq")],
    is_log=False,
    bleu=lambda model: model.exports[bleu("packed_int8")],
    marks=_DENSE_ELSEWHERE,
)


def plot_sizes(results: Results, paths: Sequence[Path]) -> None:
    """Draws BLEU against both sizes: two panels, one per way of keeping the model."""
    with matplotlib.rc_context(STYLE):
        write(draw(results, f"{results.recipe}: BLEU by size", [PACKED, USED]), paths)


def plot_cpu_time(results: Results, paths: Sequence[Path]) -> None:
    """Draws BLEU against CPU time; what is as slow as the dense model by construction is hollow."""
    with matplotlib.rc_context(STYLE):
        write(draw(results, f"{results.recipe}: BLEU by CPU time", [CPU_TIME]), paths)


def plot_speed(results: Results, paths: Sequence[Path]) -> None:
    """Draws BLEU against the speed of the packed model: two panels, one in fp32 and one in int8."""
    with matplotlib.rc_context(STYLE):
        write(draw(results, f"{results.recipe}: BLEU by speed on a CPU", [SPEED, SPEED_INT8]), paths)


def draw(results: Results, title: str, costs: Sequence[CostAxis]) -> Figure:
    """The figure, not yet written anywhere; models whose costs are not known are left out.

    Args:
        results: what to draw.
        title: its title.
        costs: one panel each.
    """
    aggregates = _costing(results)
    lines = len({cell.technique for cell in aggregates})
    size = 7.6 if len(costs) == 1 else 10.4, max(4.6, LEGEND_LINE * lines + 0.8)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(costs), sharey=True, squeeze=False)[0]
    for axes, cost in zip(panels, costs, strict=True):
        _draw_panel(axes, aggregates, cost)
    panels[0].set_ylabel("BLEU")
    handles = panels[0].get_legend_handles_labels()
    if handles[0]:
        figure.legend(*handles, loc="outside right upper", fontsize=8.5, title="technique", edgecolor="none")
    panels[0].set_title(title, loc="left", fontsize=10.5)
    footnote(figure, results)
    return figure


def for_page(results: Results, cost: CostAxis) -> Drawing:
    """One panel for the page."""
    aggregates, points = _costing(results), dict[str, list[str]]()
    with matplotlib.rc_context(PAGE_STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.add_subplot()
        _draw_panel(axes, aggregates, cost)
        axes.set_ylabel("BLEU")
    for cell, model in aggregates.items():
        if (point := _point(model, cost)) is not None:
            words = point_text(model, point.bleu, f"{three_digits(point.at)} {cost.unit}")
            points.setdefault(cell.technique, []).append(words)
    key = [f"{line}: {name}" for name, line in zip(cost.marks, ("dotted", "dash-dotted"), strict=False)]
    caption = f"BLEU by {cost.name}"
    return Drawing(cost.name.replace(" ", "-"), caption, figure, points, "; ".join(["Star and dashes: dense", *key]))


def is_known(results: Results, cost: CostAxis) -> bool:
    """Whether there is something to draw."""
    return any(_point(model, cost) is not None for model in _costing(results).values())


def _costing(results: Results) -> dict[Cell, Aggregate]:
    """Another training of the dense model costs what that one does."""
    return {cell: model for cell, model in results.aggregates.items() if cell.technique != LONGER}


def _draw_panel(axes: Axes, aggregates: Mapping[Cell, Aggregate], cost: CostAxis) -> None:
    dense = aggregates.get(Cell(DENSE, 0.0))
    if dense is not None and (point := _point(dense, cost)) is not None:
        axes.axhline(dense.bleu, color="black", lw=0.9, ls="--", zorder=1)
        axes.plot(point.at, point.bleu, marker="*", ms=11, color="black", ls="none", label="dense", gid=mark(DENSE))
    for (name, value), style in zip(cost.marks.items(), (":", "-."), strict=False):
        if dense is not None and (at := value(dense)) is not None:
            axes.axvline(at, color=GREY, lw=1.1, ls=style, zorder=1, label=name)
    for technique, look in looks(cell.technique for cell in aggregates).items():
        models = [model for cell, model in aggregates.items() if cell.technique == technique]
        points = [point for model in models if (point := _point(model, cost)) is not None]
        if not points:
            continue
        places, heights, spread, _ = zip(*points, strict=True)
        own = {**look, "gid": mark(technique)}
        drawn = axes.errorbar(places, heights, spread if any(spread) else None, lw=1.4, ms=5, capsize=2.5, **own)
        mark_errors(drawn, technique)
        axes.plot([], [], label=label(technique), lw=1.4, ms=5, **look)
        hollow = {"marker": look["marker"], "color": look["color"], "mfc": "white", "ls": "none", "ms": 5, "zorder": 3}
        hollow["gid"] = mark(technique)
        for point in points:
            if not point.is_measured:
                axes.plot([point.at], [point.bleu], **hollow)
    axes.set_xlabel(cost.axis)
    if not cost.is_log:
        axes.set_xlim(0, 1.05 * max(1.0, axes.dataLim.x1))
        return
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())


class _Point(NamedTuple):
    at: float
    bleu: float
    spread: float
    is_measured: bool


def _point(model: Aggregate, cost: CostAxis) -> _Point | None:
    at, bleu = cost.of(model), cost.bleu(model)
    if at is None or bleu is None:
        return None
    # The spread is that of fairseq's BLEU.
    return _Point(at, bleu, (model.bleu_std or 0.0) if bleu == model.bleu else 0.0, cost.is_measured(model))
