"""Products of pruned matrices by the compiled engine: sparse against dense int8 and float32, and against torch.

Of each form there are as many copies as make a decoder's weights, multiplied one after the other, and once before the
clock runs: so weights come from where they come from in decoding, a cache if they all fit. All forms of one shape stand
in one process and take turns.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from nmt_prune.runtime import _engine
from tests.benchmarks.reporting import report

SHAPES = {"attention": (512, 512), "fc1": (2048, 512), "fc2": (512, 2048), "vocabulary": (33_000, 512)}
TOKENS = (1, 5, 40)
"""One sentence greedily, one with beam 5, eight with beam 5."""

SPARSITIES = (0.5, 0.7, 0.8, 0.9, 0.95)
WEIGHTS = 39_000_000
"""Weights of all copies of a matrix, zeros too."""

ROUNDS = 5
DENSE = ("torch", "dense float32", "dense int8")
SPARSE = ("sparse float32", "sparse float16", "sparse int8")
SHORT = {
    "torch": "torch",
    "dense float32": "d32",
    "dense int8": "d8",
    "sparse float32": "s32",
    "sparse float16": "s16",
    "sparse int8": "s8",
}
Multiply = Callable[[np.ndarray[Any, Any], torch.Tensor], Any]


def run() -> None:
    """Measures all shapes."""
    rows = []
    for name, shape in SHAPES.items():
        forms = _forms(shape)
        for tokens in TOKENS:
            seconds = _alternate(forms, tokens, shape[1])
            rows += [_row(name, shape, tokens, sparsity, forms, seconds) for sparsity in SPARSITIES]
    report(
        "matrix_products",
        f"Products with pruned matrices, {_engine.instruction_set()}",
        ["matrix", "tokens", "zeros", *(SHORT[form] for form in (*DENSE, *SPARSE)), "to int8", "ns", "GB/s"],
        rows,
        "µs of CPU time of one thread per product, medians: dense (d) and sparse (s), values float32, float16, int8."
        " to int8: d8 over the best sparse one; ns and GB/s: of s16, per weight kept and of its bytes."
        " Random weights and masks.",
    )


def _forms(shape: tuple[int, int]) -> dict[str, list[tuple[Multiply, int]]]:
    """By form (and sparsity): the copies, and the bytes of each."""
    random = np.random.default_rng(1)
    weight = random.standard_normal(shape, dtype=np.float32)
    copies = range(-(-WEIGHTS // weight.size))
    forms: dict[str, list[tuple[Multiply, int]]] = {
        "torch": [_by_torch(torch.from_numpy(weight).clone()) for _ in copies],
        "dense float32": [_by_engine(_engine.Matrix.dense(weight)) for _ in copies],
        "dense int8": [_by_engine(_engine.Matrix.dense_int8(weight)) for _ in copies],
    }
    scales = np.full(shape[0], 0.04, dtype=np.float32)
    for sparsity in SPARSITIES:
        mask = random.random(shape, dtype=np.float32) >= sparsity
        starts = np.concatenate([[0], np.cumsum(mask.sum(1))])
        columns, values = np.nonzero(mask)[1].astype(np.uint32), weight[mask]
        for form, stored, scale in (
            ("sparse float32", values, None),
            ("sparse float16", values.astype(np.float16), None),
            ("sparse int8", np.rint(values / 0.04).clip(-127, 127).astype(np.int8), scales),
        ):
            forms[f"{form} {sparsity}"] = [
                _by_engine(_engine.Matrix.sparse(starts, columns, stored, scale, shape)) for _ in copies
            ]
    return forms


def _by_torch(weight: torch.Tensor) -> tuple[Multiply, int]:
    return lambda _, x: functional.linear(x, weight), weight.nbytes


def _by_engine(matrix: _engine.Matrix) -> tuple[Multiply, int]:
    return lambda x, _: matrix.multiply(x), matrix.nbytes


def _alternate(
    forms: Mapping[str, Sequence[tuple[Multiply, int]]], tokens: int, columns: int
) -> dict[str, list[float]]:
    """Seconds per product of each form by round; who goes first changes, since the others find another cache."""
    x = np.random.default_rng(2).standard_normal((tokens, columns), dtype=np.float32)
    tensor, names = torch.from_numpy(x), list(forms)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    with torch.inference_mode():
        for number in range(ROUNDS):
            for place in range(len(names)):
                name = names[(number + place) % len(names)]
                for multiply, _ in forms[name]:
                    multiply(x, tensor)
                start = time.process_time()
                for multiply, _ in forms[name]:
                    multiply(x, tensor)
                seconds[name].append((time.process_time() - start) / len(forms[name]))
    return seconds


def _row(
    name: str,
    shape: tuple[int, int],
    tokens: int,
    sparsity: float,
    forms: Mapping[str, Sequence[tuple[Multiply, int]]],
    seconds: Mapping[str, list[float]],
) -> dict[str, Any]:
    of = {form: seconds[form] for form in DENSE} | {form: seconds[f"{form} {sparsity}"] for form in SPARSE}
    medians = {form: statistics.median(times) for form, times in of.items()}
    half, kept = medians["sparse float16"], shape[0] * shape[1] * (1 - sparsity)
    return {
        "matrix": name,
        "tokens": tokens,
        "zeros": f"{sparsity:.0%}",
        **{SHORT[form]: f"{median * 1e6:.1f}" for form, median in medians.items()},
        "to int8": medians["dense int8"] / min(medians[form] for form in SPARSE),
        "ns": half * 1e9 / kept,
        "GB/s": forms[f"sparse float16 {sparsity}"][0][1] / half / 1e9,
        "shape": shape,
        "seconds": of,
    }
