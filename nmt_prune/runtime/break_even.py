"""Below which density skipping zeros is faster than a dense product: measured, once per machine and engine."""

import functools
import hashlib
import math
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nmt_prune.errors import PruneError
from nmt_prune.files import file_digest, read_json, write_json
from nmt_prune.runtime import _engine

Values = Literal["float32", "float16", "int8"]
Dense = Literal["dense", "dense-int8"]

TOKENS = (1, 5, 64)
"""Sizes of the batches that are measured: sentences times beam."""

SHAPE = (8192, 512)
BYTES = 48 << 20
"""Of all dense matrices together: more than a cache holds, as the weights of a model are."""

DENSITIES = (0.05, 0.2)
ROUNDS = 9

Times = Mapping[str, Mapping[str, float]]
"""Seconds per product by number of tokens, then by form: ``dense`` or the density of a sparse matrix."""


def break_even(values: Values, dense: Dense, tokens: int) -> float:
    """Density below which a sparse product is the faster one.

    Time of a sparse product is a straight line over density, so two are measured, and the line is followed to where it
    takes as long as the dense product.

    Args:
        values: type of the sparse values.
        dense: the other form.
        tokens: tokens that are multiplied together; the nearest number that is measured counts.

    Returns:
        Between 0 (sparse never pays) and 1.
    """
    nearest = min(TOKENS, key=lambda measured: abs(np.log(measured / max(tokens, 1))))
    times = _times(values, dense)[str(nearest)]
    first, second = (times[str(density)] for density in DENSITIES)
    slope = (second - first) / (DENSITIES[1] - DENSITIES[0])
    if slope <= 0:  # so fast that only noise was measured
        return float(second <= times["dense"])
    return float(np.clip(DENSITIES[0] + (times["dense"] - first) / slope, 0.0, 1.0))


@functools.cache
def _times(values: Values, dense: Dense) -> Times:
    """From the user's cache, or measured and put there."""
    sizes = (SHAPE, BYTES, DENSITIES, TOKENS, ROUNDS)
    measured = (file_digest(Path(_engine.__file__)), _processor(), _engine.instruction_set(), values, dense, *sizes)
    machine = " ".join(map(str, measured))
    path = _cache() / f"break-even-{hashlib.sha256(machine.encode()).hexdigest()[:16]}.json"
    with suppress(PruneError):
        found = read_json(path)
        if isinstance(found, dict) and found.get("machine") == machine and _are_times(found.get("seconds")):
            return found["seconds"]
    seconds = measure(values, dense)
    with suppress(PruneError):  # nowhere to keep it: measured again next time
        write_json(path, {"machine": machine, "seconds": seconds})
    return seconds


def _cache() -> Path:
    """The user's, or, for one without a home, a folder of his own among the temporary files."""
    if named := os.environ.get("XDG_CACHE_HOME"):
        return Path(named, "nmt-prune")
    try:
        return Path.home() / ".cache" / "nmt-prune"
    except RuntimeError:
        return Path(tempfile.gettempdir(), f"nmt-prune-{os.getuid()}")


def _are_times(found: object) -> bool:
    """Whether this is what :func:`measure` returns."""
    forms = {"dense", *map(str, DENSITIES)}
    return isinstance(found, dict) and all(
        isinstance(times := found.get(str(tokens)), dict)
        and times.keys() == forms
        and all(type(seconds) is float and 0 <= seconds < math.inf for seconds in times.values())
        for tokens in TOKENS
    )


def measure(values: Values, dense: Dense) -> Times:
    """Medians of CPU time.

    Args:
        values: type of the sparse values.
        dense: the other form.
    """
    random = np.random.default_rng(0)
    weight = random.standard_normal(SHAPE, dtype=np.float32)
    build = _engine.Matrix.dense_int8 if dense == "dense-int8" else _engine.Matrix.dense
    copies = max(2, BYTES // build(weight).nbytes)
    forms: dict[str, Sequence[_engine.Matrix]] = {"dense": [build(weight) for _ in range(copies)]}
    for density in DENSITIES:
        mask = random.random(SHAPE, dtype=np.float32) < density
        forms[str(density)] = [_sparse(weight, mask, values) for _ in range(copies)]
    seconds: dict[str, dict[str, float]] = {}
    for tokens in TOKENS:
        x = random.standard_normal((tokens, SHAPE[1]), dtype=np.float32)
        rounds = [{form: _time(matrices, x) for form, matrices in forms.items()} for _ in range(ROUNDS)]
        seconds[str(tokens)] = {form: statistics.median(times[form] for times in rounds) for form in forms}
    return seconds


def _sparse(weight: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_], values: str) -> _engine.Matrix:
    starts = np.concatenate([[0], np.cumsum(mask.sum(1))])
    kept: npt.NDArray[Any] = weight[mask]
    kept = np.rint(kept * 20).astype(np.int8) if values == "int8" else kept.astype(values)
    scales = np.full(len(weight), 0.05, dtype=np.float32) if values == "int8" else None
    return _engine.Matrix.sparse(starts, np.nonzero(mask)[1].astype(np.uint32), kept, scales, weight.shape)


def _time(matrices: Sequence[_engine.Matrix], x: npt.NDArray[np.float32]) -> float:
    for matrix in matrices:  # as in decoding, where one step follows another: what fits a cache is there
        matrix.multiply(x)
    start = time.thread_time()
    for matrix in matrices:
        matrix.multiply(x)
    return (time.thread_time() - start) / len(matrices)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
