"""Translation by a pruned Transformer base on one thread of a CPU: our engine, sparse and dense, and its peers.

Weights are random and masks by magnitude, so every translation is made to have the same length. All programs stand in
one process and take turns. Measured with what the processor has, and once more restricted to AVX2.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from nmt_prune.runtime import _engine
from nmt_prune.storage.model.compact_model import CompactModel
from tests.benchmarks.instruction_sets import again_restricted, of_ctranslate2
from tests.benchmarks.random_transformer import pruned_transformer
from tests.benchmarks.reporting import report
from tests.benchmarks.translation_systems import (
    System,
    alternate,
    exported,
    fairseq,
    forced,
    ours,
    pytorch,
    random_sources,
)

SIZE, LENGTH, BEAM = "base, 61 M", 25, 5
ROUNDS = {1: (15, 5), 8: (7, 3), 64: (3, 2)}
"""Rounds by number of sentences in a batch: of most programs, and of the slow ones."""

RESTRICTED_ROUNDS = {1: (9, 3), 8: (5, 2), 64: (3, 2)}
REPEATS = {1: 2, 8: 1, 64: 1}
CT2, INT8, TORCH, FAIRSEQ = "CTranslate2 int8", "ours, dense int8", "PyTorch", "fairseq"
SLOW = ("ours, dense float32", "CTranslate2 float32", TORCH, FAIRSEQ)
SHORT = {CT2: "x CT2 int8", INT8: "x own int8", TORCH: "x PyTorch", FAIRSEQ: "x fairseq"}
HALF = "half size, "


def run() -> None:
    """Measures with all instructions and, where there are more, with AVX-VNNI and with AVX2 alone."""
    _measure("translation_speed", {TORCH: pytorch, FAIRSEQ: fairseq}, ROUNDS)
    again_restricted(_measure_restricted)


def _measure_restricted(instructions: str) -> None:
    _measure(f"translation_speed_{instructions}", {}, RESTRICTED_ROUNDS)


def _measure(name: str, others: Mapping[str, Callable[..., System]], rounds: Mapping[int, tuple[int, int]]) -> None:
    dense = pruned_transformer(SIZE, 0.0)
    systems = _systems(dense, others)
    rows, options = [], forced(LENGTH, BEAM)
    for system, translate in systems.items():
        (translation,) = translate(random_sources(dense, 1, LENGTH), options)
        assert len(translation) == LENGTH, system
    for sentences, each in rounds.items():
        sources = random_sources(dense, sentences, LENGTH)
        calls = {system: partial(translate, sources, options) for system, translate in systems.items()}
        seconds = alternate(calls, {system: each[system in SLOW] for system in calls}, REPEATS[sentences])
        rows += [_row(system, sentences, seconds) for system in systems]
    report(
        name,
        f"Transformer {SIZE}, beam {BEAM}, {LENGTH} subwords in and out, one thread, {_engine.instruction_set()}",
        [column for column in rows[0] if column != "seconds"],
        rows,
        "Tokens per second of CPU time, and x: times as fast as a peer in the same round, medians and quartiles; CT2:"
        " CTranslate2, own int8: our dense int8. sparse: zeros are skipped in every matrix; auto: the runtime picks,"
        " int8 values. Random weights, masks by magnitude per matrix; half size: without half of the heads and"
        " feed-forward units of each sublayer. PyTorch: our pure torch engine, dense.",
        {"ours": _engine.instruction_set(), "CTranslate2": of_ctranslate2()},
    )


def _systems(dense: CompactModel, others: Mapping[str, Callable[..., System]]) -> dict[str, System]:
    half = pruned_transformer(SIZE, 0.0, removed=0.5)
    systems = {"ours, dense float32": ours(dense, "dense"), INT8: ours(dense, "dense-int8")}
    systems["ours, 50 %, auto"] = ours(pruned_transformer(SIZE, 0.5), "auto", "int8")
    for sparsity in (0.8, 0.9, 0.95):
        model, of = pruned_transformer(SIZE, sparsity), f"ours, {sparsity:.0%}".replace("%", " %")
        for values in ("float16", "int8") if sparsity != 0.9 else ("float32", "float16", "int8"):
            systems[f"{of}, sparse {values}"] = ours(model, "sparse", values)
        systems[f"{of}, auto"] = ours(model, "auto", "int8")
    pruned_half = pruned_transformer(SIZE, 0.9, removed=0.5)
    systems[f"{HALF}dense int8"] = ours(half, "dense-int8")
    for values in ("float16", "int8"):
        systems[f"{HALF}90 %, sparse {values}"] = ours(pruned_half, "sparse", values)
    systems[CT2], systems["CTranslate2 float32"] = exported(dense, "int8"), exported(dense, "float32")
    systems[f"{HALF}CTranslate2 int8"] = exported(half, "int8")
    return systems | {name: build(dense) for name, build in others.items()}


def _row(system: str, sentences: int, seconds: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    mine = seconds[system]
    row = {
        "program": system,
        "batch": sentences,
        "tokens/s": round(sentences * LENGTH / statistics.median(mine)),
    }
    for peer, short in SHORT.items():
        if peer in seconds:
            ratios = [theirs / own for theirs, own in zip(seconds[peer], mine, strict=False)]
            first, median, third = statistics.quantiles(ratios, n=4, method="inclusive")
            row[short] = f"{median:.2f} ({first:.2f}-{third:.2f})" if peer in (CT2, INT8) else f"{median:.1f}"
    return {**row, "seconds": mine}
