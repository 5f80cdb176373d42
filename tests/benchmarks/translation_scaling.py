"""How the time of a translation grows with its length, the batch, the beam and the number of threads.

A Transformer base with random weights, as in ``translation_speed``; one setting is varied at a time.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from nmt_prune.evaluation.reports.figures.style import STYLE, write
from nmt_prune.runtime.compiled import CompiledEngine
from tests.benchmarks.random_transformer import pruned_transformer
from tests.benchmarks.reporting import RESULTS, report
from tests.benchmarks.translation_systems import System, by_engine, exported, forced, random_sources

SIZE, ROUNDS = "base, 61 M", 3


class Setting(NamedTuple):
    """What is translated, and how."""

    length: int = 25
    batch: int = 8
    beam: int = 5
    threads: int = 1


VARIED: dict[str, tuple[int, ...]] = {
    "length": (5, 10, 25, 50, 100, 200),
    "batch": (1, 2, 4, 8, 16, 32, 64),
    "beam": (1, 2, 4, 5, 8, 16),
    "threads": (1, 2),
}
LABELS = {
    "length": "subwords in and out",
    "batch": "sentences in a batch",
    "beam": "beam",
    "threads": "threads (wall-clock time)",
}
LOOKS: dict[str, Mapping[str, Any]] = {
    "90 % sparse, int8": {"color": "#0072B2", "marker": "o"},
    "dense int8": {"color": "#D55E00", "marker": "s"},
    "CTranslate2 int8": {"color": "#777777", "marker": "^"},
}


def run() -> None:
    """Measures all settings and draws them."""
    dense, pruned = pruned_transformer(SIZE, 0.0), pruned_transformer(SIZE, 0.9)
    systems = {
        threads: dict(
            zip(
                LOOKS,
                (
                    by_engine(CompiledEngine(pruned, "int8", "sparse", threads)),
                    by_engine(CompiledEngine(dense, None, "dense-int8", threads)),
                    exported(dense, "int8", threads),
                ),
                strict=True,
            )
        )
        for threads in VARIED["threads"]
    }
    rows = []
    for name, values in VARIED.items():
        for value in values:
            setting = Setting(**{name: value, **({"batch": 32} if name == "threads" else {})})
            sources = random_sources(dense, setting.batch, setting.length)
            times = _alternate(systems[setting.threads], partial(_call, sources, setting), name == "threads")
            rows.append(_row(name, setting, times))
    report(
        "translation_scaling",
        f"Milliseconds per sentence, Transformer {SIZE}",
        ["varied", "length", "batch", "beam", "threads", *LOOKS],
        rows,
        f"CPU time of one thread (varied threads: wall-clock time), medians of {ROUNDS} rounds. Output and source"
        " have the same length.",
    )
    with matplotlib.rc_context(STYLE):
        write(_draw(rows), [RESULTS / "translation_scaling.png", RESULTS / "translation_scaling.svg"])


def _call(sources: Any, setting: Setting, system: System) -> None:
    system(sources, forced(setting.length, setting.beam))


def _alternate(systems: Mapping[str, System], call: Callable[[System], None], is_wall: bool) -> dict[str, list[float]]:
    clock = time.perf_counter if is_wall else time.process_time
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(ROUNDS):
        for name, system in systems.items():
            start = clock()
            call(system)
            seconds[name].append(clock() - start)
    return seconds


def _row(varied: str, setting: Setting, seconds: Mapping[str, list[float]]) -> dict[str, Any]:
    each = {name: statistics.median(times) / setting.batch * 1e3 for name, times in seconds.items()}
    return {"varied": varied, **setting._asdict(), **each, "seconds": seconds}


def _draw(rows: list[dict[str, Any]]) -> Figure:
    figure = Figure(figsize=(11.2, 3.2), layout="constrained")
    panels = figure.subplots(1, len(VARIED))
    for axes, name in zip(panels, VARIED, strict=True):
        _draw_panel(axes, name, [row for row in rows if row["varied"] == name])
    panels[0].set_ylabel("ms per sentence")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(LOOKS))
    return figure


def _draw_panel(axes: Axes, name: str, rows: list[dict[str, Any]]) -> None:
    for system, look in LOOKS.items():
        axes.plot([row[name] for row in rows], [row[system] for row in rows], label=system, lw=1.4, ms=4, **look)
    axes.set_xlabel(LABELS[name])
    if name == "threads":
        axes.set_xticks(VARIED[name])
        axes.set_ylim(bottom=0)
        return
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(VARIED[name])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_formatter(NullFormatter())
