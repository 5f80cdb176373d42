"""BLEU against source tokens per second of CPU, of trained models in all the ways in which they would be deployed.

Each model by our engine and by CTranslate2, in int8, with a beam of 5 and of 1, with a shortlist and without. A way is
on the front where no other of the same batch size is both better and faster.
"""

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib import colormaps, rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.evaluation.quality.scores import score
from nmt_prune.runtime.compiled import CompiledEngine
from nmt_prune.runtime.settings.search_options import SearchOptions
from nmt_prune.shortlisting.corpus import from_folder
from nmt_prune.shortlisting.shortlist import make_shortlist
from nmt_prune.storage.checkpoints.from_checkpoint import compact_model
from nmt_prune.storage.model.compact_model import CompactModel
from tests.benchmarks.real_text import RealText, joined, translate_all
from tests.benchmarks.reporting import RESULTS, report
from tests.benchmarks.translation_systems import Sources, System, alternate, by_engine, exported, with_shortlist

RUNS = Path("runs/deployed-libreoffice-help")
MODELS = (
    *("dense", "dense-longer-x2", "dense-longer-x3"),
    *("ladder-gmp-80", "ladder-gmp-90", "blocks-50", "blocks-70", "blocks-80"),
    *("shallow-gmp-dense", "shallow-student-1", "shallow-gmp-80", "shallow-gmp-90"),
    *("shallow-blocks-50", "shallow-blocks-70"),
    *("small-dense-longer-80", "small-dense-longer-90", "slt-90", "narrow-student-1"),
)
"""Runs of the recipe, and of make frontier, without their seed: of the first that is there."""

BEAMS, BATCHES = (5, 1), (1, 32)
ROUNDS, SECONDS = 3, 1.5
"""Each way is measured so often, and for so long, at least."""
CANDIDATES = 50
OURS, CT2 = "ours", "CTranslate2"


@dataclass(frozen=True)
class Way:
    """A way to translate a test set.

    Attributes:
        model: name of the run.
        program: :data:`OURS` or :data:`CT2`.
        beam: beam size.
        shortlist: whether with one.
        batch: sentences of a batch.
    """

    model: str
    program: str
    beam: int
    shortlist: bool
    batch: int


@dataclass(frozen=True)
class Point:
    """What a way gives: BLEU, and source tokens per second of CPU."""

    bleu: float
    speed: float


def run(runs: Path | None) -> None:
    """Measures the models that are there of a folder of runs, by default the recipe's of that name."""
    runs = runs or RUNS
    of_seeds = {name: sorted(runs.glob(f"{name}-seed*/checkpoint_best.pt")) for name in MODELS}
    found = {name: paths[0] for name, paths in of_seeds.items() if paths}
    if not found:
        print(f"pareto: {runs} has none of {', '.join(MODELS)}; nmt-prune run {RUNS.name} makes them, or name --runs\n")
        return
    points = measure(found)
    rows = [_row(way, points) for way in sorted(points, key=lambda way: (way.batch, points[way].speed))]
    report(
        "pareto",
        f"{runs.name}: BLEU and source tokens/s of one core, int8",
        ["model", "program", "beam", "shortlist", "batch", "BLEU", "source/s", "front", f"x {CT2}"],
        rows,
        "source/s: subwords read per second of CPU time, one thread, medians of interleaved rounds over the test set,"
        " without start and text processing; 1.2 × the longest source of a batch + 10 are written at most."
        f" x {CT2}: times as fast as its fastest way of the same batch size that has at least this BLEU, whatever the"
        f" model. Shortlists: {CANDIDATES} + {CANDIDATES}, aligned on the training data.",
    )
    draw(points, RESULTS / "pareto.svg")


def measure(checkpoints: Mapping[str, Path]) -> dict[Way, Point]:
    """All ways to translate the test set, all models in the same rounds."""
    calls: dict[Way, Callable[[], list[list[int]]]] = {}
    models: dict[str, CompactModel] = {}
    texts: dict[str, RealText] = {}
    read: dict[str, int] = {}
    for name, path in checkpoints.items():
        checkpoint = Checkpoint.load(path)
        texts[name] = text = RealText.of(checkpoint)
        model = compact_model(checkpoint, text.data, "float32")
        sides = from_folder(text.data, model, 500_000)
        models[name] = replace(model, shortlist=make_shortlist(model, sides, CANDIDATES, CANDIDATES, lambda line: None))
        sources = text.sources(model)
        read[name] = sum(map(len, sources))
        for way, system in _systems(name, models[name]).items():
            options = SearchOptions(beam=way.beam, scores=way.beam > 1)
            calls[way] = partial(translate_all, _short(system), sources, way.batch, options)
    names = {str(index): way for index, way in enumerate(calls)}
    translations: dict[Way, list[list[int]]] = {}
    rounds: dict[str, int] = {}
    for one, way in names.items():
        start = time.process_time()
        translations[way] = calls[way]()
        rounds[one] = max(ROUNDS, math.ceil(SECONDS / (time.process_time() - start)))
    seconds = alternate({one: calls[way] for one, way in names.items()}, rounds)
    return {
        way: Point(
            score(joined(models[way.model], translations[way]), texts[way.model].references).bleu,
            read[way.model] / statistics.median(seconds[one]),
        )
        for one, way in names.items()
    }


def fastest(points: Mapping[Way, Point], program: str, batch: int, bleu: float) -> float | None:
    """The fastest way of a program that has at least this BLEU; None where it has none."""
    speeds = [
        point.speed
        for way, point in points.items()
        if (way.program, way.batch) == (program, batch) and point.bleu >= bleu
    ]
    return max(speeds, default=None)


def is_on_front(way: Way, points: Mapping[Way, Point]) -> bool:
    """Whether nothing of the same batch size is better and faster."""
    own = points[way]
    return not any(
        other.batch == way.batch and point.bleu > own.bleu and point.speed > own.speed
        for other, point in points.items()
    )


def draw(points: Mapping[Way, Point], path: Path) -> None:
    """Draws a panel per batch size."""
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    panels: Any = figure.subplots(1, len(BATCHES), sharey=True)
    for axes, batch in zip(panels, BATCHES, strict=True):
        for program, marker in ((OURS, "o"), (CT2, "s")):
            for index, model in enumerate(MODELS):
                ways = [way for way in points if (way.program, way.model, way.batch) == (program, model, batch)]
                x, y = ([getattr(points[way], value) for way in ways] for value in ("speed", "bleu"))
                axes.scatter(x, y, marker=marker, color=[colormaps["tab20"](index)], label=f"{model}, {program}")
        front = sorted(
            (
                (point.speed, point.bleu)
                for way, point in points.items()
                if way.batch == batch and is_on_front(way, points)
            )
        )
        axes.step(*zip(*front, strict=True), where="pre", color="grey", linewidth=0.8, zorder=0)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_title(f"batches of {batch}")
        axes.set_xlabel("source tokens/s of one core, int8 (log scale)")
    panels[0].set_ylabel("BLEU")
    panels[-1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    path.parent.mkdir(exist_ok=True)
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": ""}):  # text as text; the same bytes
        figure.savefig(path)
    print(path)


def _short(system: System) -> System:
    """Cuts translations that never end, which all programs have, each of others, and which write many tokens."""

    def translate(sources: Sources, options: SearchOptions) -> list[list[int]]:
        return system(sources, replace(options, max_len_b=int(1.2 * max(map(len, sources))) + 10))

    return translate


def _systems(name: str, model: CompactModel) -> dict[Way, System]:
    assert model.shortlist is not None
    engine = CompiledEngine(model, "int8", "auto")
    systems: dict[Way, System] = {}
    for shortlist in (False, True):
        own = with_shortlist(engine, model.shortlist) if shortlist else by_engine(engine)
        for program, system in ((OURS, own), (CT2, exported(model, "int8", shortlist=shortlist))):
            systems |= {Way(name, program, beam, shortlist, batch): system for beam in BEAMS for batch in BATCHES}
    return systems


def _row(way: Way, points: Mapping[Way, Point]) -> dict[str, Any]:
    own = points[way]
    peer = fastest(points, CT2, way.batch, own.bleu)
    return {
        "model": way.model,
        "program": way.program,
        "beam": way.beam,
        "shortlist": "yes" if way.shortlist else "no",
        "batch": way.batch,
        "BLEU": own.bleu,
        "source/s": round(own.speed),
        "front": "*" if is_on_front(way, points) else "",
        f"x {CT2}": own.speed / peer if peer else "–",
    }
