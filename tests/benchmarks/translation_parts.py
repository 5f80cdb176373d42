"""Where translation's time goes, dense and sparse: products with weights, and the rest, which zeros cannot shorten.

The products of a translation are run again by themselves, in the order and with the numbers of tokens of the search.
Their multiplications and bytes per second say what bounds them: the processor's units or its memory.
"""

import statistics
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from unittest import mock

import numpy as np

from nmt_prune.runtime import _engine, compiled
from nmt_prune.runtime.compiled import CompiledEngine
from tests.benchmarks.random_transformer import pruned_transformer
from tests.benchmarks.reporting import report
from tests.benchmarks.translation_systems import alternate, by_engine, forced, random_sources

SIZE, LENGTH = "base, 61 M", 25
BEAMS, ROUNDS = (5, 1), {1: 9, 8: 5, 64: 3}
AT_ONCE = 48
"""Tokens that the engine multiplies together: ``rows_at_once`` of its ``src/layers.h``."""

DENSE = "dense"
PRUNED = {
    "90 %": (0.9, 0.0, "element"),
    "90 % of half of heads and units": (0.9, 0.5, "element"),
    "70 % of blocks": (0.7, 0.0, "block:rows=8,columns=4"),
    "90 % of blocks": (0.9, 0.0, "block:rows=8,columns=4"),
}
"""Sparsity, share of the structure that is gone before that, and what is pruned together."""


def run() -> None:
    """Measures the dense model and pruned ones, all in int8."""
    model = pruned_transformer(SIZE, 0.0)
    systems = {DENSE: _System(0.0)}
    systems |= {name: _System(*pruned) for name, pruned in PRUNED.items()}
    rows: list[dict[str, Any]] = []
    for beam in BEAMS:
        for sentences, rounds in ROUNDS.items():
            sources, options = random_sources(model, sentences, LENGTH), forced(LENGTH, beam)
            calls = {name: partial(system.translate, sources, options) for name, system in systems.items()}
            calls |= {f"{name}, products": partial(s.multiply, sentences, beam) for name, s in systems.items()}
            for call in calls.values():
                call()
            seconds = alternate(calls, dict.fromkeys(calls, rounds))
            rows += [_row(name, system, sentences, beam, seconds) for name, system in systems.items()]
    report(
        "translation_parts",
        f"Transformer {SIZE}, {LENGTH} subwords in and out, int8, one thread, {_engine.instruction_set()}",
        list(rows[0]),
        rows,
        "Per token written, medians: µs of CPU time, millions of multiplications with weights that are kept, and MB of"
        " weights read. products: with weights, run by themselves; rest: attention, softmax, norms, search. G/s, GB/s:"
        " those multiplications and bytes per second of the products. x dense: times as fast as the dense model. Random"
        " weights, masks by magnitude per matrix.",
        {"ours": _engine.instruction_set()},
    )


class _System:
    """A model in the engine, and the products of which its translations consist."""

    def __init__(self, sparsity: float, removed: float = 0.0, group: str = "element") -> None:
        self.density = 1 - sparsity
        model = pruned_transformer(SIZE, sparsity, removed, group=group)
        formats = "dense-int8" if not sparsity else "sparse" if group == "element" else "blocks"
        with mock.patch.object(compiled._engine, "Model", wraps=_engine.Model) as made:
            self.translate = by_engine(CompiledEngine(model, "int8", formats))
        matrices: Mapping[str, _engine.Matrix] = made.call_args.args[1]
        weights = {name: matrix for name, matrix in matrices.items() if "embed_tokens" not in name}
        is_of_source = {name: name.startswith("encoder.") or ".encoder_attn.kv_proj." in name for name in weights}
        self.of_source = [weights[name] for name, of_source in is_of_source.items() if of_source]
        self.of_steps = [weights[name] for name, of_source in is_of_source.items() if not of_source]

    def multiply(self, sentences: int, beam: int) -> None:
        """All products of a batch."""
        _multiply(self.of_source, sentences * LENGTH)
        for _ in range(LENGTH):
            _multiply(self.of_steps, sentences * beam)


def _multiply(matrices: Sequence[_engine.Matrix], tokens: int) -> None:
    passes = -(-tokens // AT_ONCE)
    widths = {matrix.shape[1] for matrix in matrices}
    inputs = {width: np.full((-(-tokens // passes), width), 0.5, np.float32) for width in widths}
    for matrix in matrices:
        for _ in range(passes):
            matrix.multiply(inputs[matrix.shape[1]])


def _row(
    name: str, system: _System, sentences: int, beam: int, seconds: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    written = sentences * LENGTH
    total, products, dense = (
        statistics.median(seconds[key]) / written * 1e6 for key in (name, f"{name}, products", DENSE)
    )
    weights = [sum(each.shape[0] * each.shape[1] for each in part) for part in (system.of_source, system.of_steps)]
    multiplications = system.density * (weights[0] + weights[1] * beam)
    of_source = sum(matrix.bytes_read(sentences * LENGTH) for matrix in system.of_source)
    of_steps = sum(matrix.bytes_read(sentences * beam) for matrix in system.of_steps)
    megabytes = (of_source / LENGTH + of_steps) / sentences / 1e6
    return {
        "model": name,
        "beam": beam,
        "batch": sentences,
        "µs": round(total),
        "products": round(products),
        "rest": round(total - products),
        "M mult.": f"{multiplications / 1e6:.1f}",
        "MB": f"{megabytes:.2f}",
        "G/s": round(multiplications / products / 1e3),
        "GB/s": f"{megabytes / products * 1e3:.1f}",
        "x dense": f"{dense / total:.2f}",
    }
