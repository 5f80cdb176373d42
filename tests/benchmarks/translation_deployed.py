"""Translation as it is deployed: beam 1 without a softmax, a shortlist, few layers; beside CTranslate2 and Marian.

Weights and shortlists are random: 50 frequent words and 16 of each source word from a pool of 950. Batches of 1, 8
and 64 sentences so choose among about 370, 980 and 1,000 words. All programs stand in one process and take turns.
Measured with what the processor has, and once more with fewer instructions.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from nmt_prune.runtime import _engine
from nmt_prune.runtime.compiled import CompiledEngine
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.shortlist import Shortlist, from_lists
from nmt_prune.text.dictionaries import SPECIAL
from tests.benchmarks import bergamot
from tests.benchmarks.instruction_sets import again_restricted, of_ctranslate2
from tests.benchmarks.marian_peer import INT8 as INT8SHIFT
from tests.benchmarks.marian_peer import clock, marian_peers
from tests.benchmarks.random_transformer import pruned_transformer
from tests.benchmarks.reporting import report
from tests.benchmarks.translation_systems import (
    System,
    alternate,
    by_engine,
    exported,
    forced,
    random_sources,
    with_shortlist,
)

SIZE, LENGTH = "base, 61 M", 25
SHAPES = ((6, 6), (6, 2), (12, 1))
BEAMS = (5, 1)
ROUNDS = {1: 9, 8: 5, 64: 3}
FREQUENT, POOL, CANDIDATES = 50, 950, 16
CT2, VMAP, INT8 = "CTranslate2 int8", "CTranslate2 int8, vmap", "ours, dense int8"
MARIAN = ("Marian int8", "Marian int8, shortlist")
SHORT = {CT2: "x CT2", VMAP: "x CT2 vmap", INT8: "x own int8"}
SOFTMAX = ", softmax"
BLOCKS = "block:rows=8,columns=4"


def run() -> None:
    """Measures every shape, with all instructions and, where there are more, with AVX-VNNI and with AVX2 alone."""
    _measure_all("translation_deployed")
    again_restricted(_measure_restricted)


def _measure_restricted(instructions: str) -> None:
    _measure_all(f"translation_deployed_{instructions}", " (with all instructions)")


def _measure_all(name: str, marian: str = "") -> None:
    skipped = bergamot.why_not()
    rows = [row for layers in SHAPES for row in measure(layers, with_marian=not skipped)]
    report(
        name,
        f"Transformer {SIZE}, {LENGTH} subwords in and out, one thread, {_engine.instruction_set()}",
        [column for column in rows[0] if column != "seconds"],
        rows,
        "Tokens per second of CPU time, and x: times as fast as a peer in the same round, medians and quartiles."
        " shortlist, vmap: with the candidates of a batch's words alone. Beam 1 without a softmax, but where it is"
        " named. Random weights, masks by magnitude per matrix.",
        {
            "ours": _engine.instruction_set(),
            "CTranslate2": of_ctranslate2(),
            "Marian": f"skipped, {skipped}" if skipped else f"bergamot {bergamot.VERSION}, {INT8SHIFT}{marian}",
        },
    )


def measure(layers: tuple[int, int], beams: Sequence[int] = BEAMS, with_marian: bool = False) -> list[dict[str, Any]]:
    """Measures one shape.

    Args:
        layers: of the encoder and of the decoder.
        beams: their sizes.
        with_marian: beside bergamot, which is installed.
    """
    dense = pruned_transformer(SIZE, 0.0, layers=layers)
    dense = replace(dense, shortlist=_shortlist(dense))
    systems = _systems(dense, layers)
    with ExitStack() as stack:
        peers = stack.enter_context(marian_peers(dense)) if with_marian else ()
        named = dict(zip(MARIAN, peers, strict=False))
        return _rows(layers, beams, systems | named, {name: clock(peer) for name, peer in named.items()}, dense)


def _rows(
    layers: tuple[int, int],
    beams: Sequence[int],
    systems: Mapping[str, System],
    clocks: Mapping[str, Callable[[], float]],
    dense: CompactModel,
) -> list[dict[str, Any]]:
    rows = []
    for beam in beams:
        options = replace(forced(LENGTH, beam), scores=beam > 1)
        for sentences, rounds in ROUNDS.items():
            sources = random_sources(dense, sentences, LENGTH)
            calls = {name: partial(translate, sources, options) for name, translate in systems.items()}
            if beam == 1:
                names = [name for name in systems if name.startswith("ours")]
                calls |= {
                    name + SOFTMAX: partial(systems[name], sources, replace(options, scores=True)) for name in names
                }
            for call in calls.values():
                call()
            seconds = alternate(calls, dict.fromkeys(calls, rounds), clocks=clocks)
            rows += [_row(f"{layers[0]}+{layers[1]}", beam, sentences, name, seconds) for name in calls]
    return rows


def _shortlist(model: CompactModel) -> Shortlist:
    random, first = np.random.default_rng(2), len(SPECIAL) + FREQUENT
    lists = random.integers(first, first + POOL, (len(model.source), CANDIDATES)).tolist()
    return from_lists(range(len(SPECIAL), first), lists, len(model.target))


def _systems(dense: CompactModel, layers: tuple[int, int]) -> dict[str, System]:
    assert dense.shortlist is not None
    systems = {CT2: exported(dense, "int8"), VMAP: exported(dense, "int8", shortlist=True)}
    engines = {
        INT8: CompiledEngine(dense, "int8", "dense-int8"),
        "ours, 90 %, sparse int8": CompiledEngine(pruned_transformer(SIZE, 0.9, layers=layers), "int8", "sparse"),
        "ours, 70 % of blocks, int8": CompiledEngine(
            pruned_transformer(SIZE, 0.7, layers=layers, group=BLOCKS), "int8", "blocks"
        ),
    }
    for name, engine in engines.items():
        systems |= {name: by_engine(engine), f"{name}, shortlist": with_shortlist(engine, dense.shortlist)}
    return systems


def _row(shape: str, beam: int, sentences: int, name: str, seconds: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    mine = seconds[name]
    row = {"shape": shape, "beam": beam, "batch": sentences, "program": name}
    row["tokens/s"] = round(sentences * LENGTH / statistics.median(mine))
    for peer, short in SHORT.items():
        ratios = [theirs / own for theirs, own in zip(seconds[peer], mine, strict=True)]
        first, median, third = statistics.quantiles(ratios, n=4, method="inclusive")
        row[short] = f"{median:.2f} ({first:.2f}-{third:.2f})"
    return {**row, "seconds": mine}
