"""The figures of costs: BLEU against size, and BLEU against CPU time."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from nmt_prune.evaluation.aggregates import Aggregate, aggregate
from nmt_prune.evaluation.results import Results
from nmt_prune.evaluation.style import LEGEND_LINE, STYLE, footnote, looks, write
from nmt_prune.evaluation.techniques import DENSE, LONGER, Cell, label


class Cost(NamedTuple):
    """Something that a model costs.

    Attributes:
        axis: what it is, with its unit.
        of: its value for an aggregate; None where it is not known.
        is_measured: whether the value is one of this model, and not the dense model's by construction.
        is_log: whether the axis is logarithmic; otherwise it starts at 0.
    """

    axis: str
    of: Callable[[Aggregate], float | None]
    is_measured: Callable[[Aggregate], bool] = lambda model: True
    is_log: bool = True


STORED = Cost(
    "stored: surviving weights and index, MB (log scale)",
    lambda model: model.megabytes["stored"] if model.megabytes else None,
)
USED = Cost(
    "in memory: fp32, without what shrink takes out, MB (log scale)",
    lambda model: model.megabytes["used"] if model.megabytes else None,
)
CPU_TIME = Cost(
    "CPU time of the shrunk model, relative to the dense one\nhollow: as slow as that, nothing can be taken out",
    lambda model: model.cpu_ratio,
    lambda model: model.cpu_measured,
    is_log=False,
)


def plot_sizes(results: Results, paths: Sequence[Path]) -> None:
    """Draws BLEU against both sizes: two panels, one per way of keeping the model."""
    with matplotlib.rc_context(STYLE):
        write(draw(results, f"{results.recipe}: BLEU by size", [STORED, USED]), paths)


def plot_cpu_time(results: Results, paths: Sequence[Path]) -> None:
    """Draws BLEU against CPU time; what is as slow as the dense model by construction is hollow."""
    with matplotlib.rc_context(STYLE):
        write(draw(results, f"{results.recipe}: BLEU by CPU time", [CPU_TIME]), paths)


def draw(results: Results, title: str, costs: Sequence[Cost]) -> Figure:
    """The figure, not yet written anywhere; models whose costs are not known are left out.

    Args:
        results: what to draw.
        title: its title.
        costs: one panel each.
    """
    # Another training of the dense model costs what that one does.
    aggregates = {cell: model for cell, model in aggregate(results.rows).items() if cell.technique != LONGER}
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


def _draw_panel(axes: Axes, aggregates: Mapping[Cell, Aggregate], cost: Cost) -> None:
    dense = aggregates.get(Cell(DENSE, 0.0))
    if dense is not None and (at := cost.of(dense)) is not None:
        axes.axhline(dense.bleu, color="black", lw=0.9, ls="--", zorder=1)
        axes.plot([at], [dense.bleu], marker="*", ms=11, color="black", ls="none", label="dense")
    for technique, look in looks(cell.technique for cell in aggregates).items():
        models = [model for cell, model in aggregates.items() if cell.technique == technique]
        known = [(at, model) for model in models if (at := cost.of(model)) is not None]
        if not known:
            continue
        places, heights = [at for at, _ in known], [model.bleu for _, model in known]
        spread = [model.bleu_std or 0.0 for _, model in known]
        axes.errorbar(places, heights, spread if any(spread) else None, lw=1.4, ms=5, capsize=2.5, **look)
        axes.plot([], [], label=label(technique), lw=1.4, ms=5, **look)
        for at, model in known:
            if not cost.is_measured(model):
                axes.plot(
                    [at],
                    [model.bleu],
                    marker=look["marker"],
                    ms=5,
                    color=look["color"],
                    mfc="white",
                    ls="none",
                    zorder=3,
                )
    axes.set_xlabel(cost.axis)
    if not cost.is_log:
        axes.set_xlim(0, 1.05 * max(1.0, axes.dataLim.x1))
        return
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
