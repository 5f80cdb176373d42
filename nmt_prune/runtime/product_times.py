"""How long a product takes by the form of its weight: measured, once per machine and engine."""

import functools
import hashlib
import math
import os
import platform
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
Form = Literal["sparse", "blocks", "dense", "dense-int8"]

TOKENS = (1, 5, 64)
"""Sizes of the batches that are measured: sentences times beam."""

SHAPE = (8192, 512)
BYTES = 48 << 20
"""Of all dense matrices together: more than a cache holds, as the weights of a model are."""

SHARES = (0.05, 0.2)
BLOCK = (8, 4)
"""Rows and columns of a block."""

ROUNDS = 9

Times = Mapping[str, Mapping[str, float]]
"""Seconds per product by number of tokens, then by form: ``dense``, or ``sparse`` or ``blocks`` and the share of what
is kept."""


def product_time(form: Form, share: float, values: Values, tokens: int) -> float:
    """Seconds that a product with a weight of ``SHAPE`` takes.

    Time of a sparse product is a straight line over what is kept, so two are measured.

    Args:
        form: of the weight.
        share: of its weights that are kept, or of its blocks; with ``dense`` it does not matter.
        values: type of the values that are kept; ``blocks`` are of int8.
        tokens: tokens that are multiplied together; the nearest number that is measured counts.
    """
    nearest = min(TOKENS, key=lambda measured: abs(np.log(measured / max(tokens, 1))))
    times = _times(values)[str(nearest)]
    if form in ("dense", "dense-int8"):
        return times["dense"]
    first, second = (times[f"{form} {kept}"] for kept in SHARES)
    slope = max(second - first, 0.0) / (SHARES[1] - SHARES[0])  # 0: so fast that only noise was measured
    return first + (share - SHARES[0]) * slope


def sparse_forms(values: Values) -> tuple[Form, ...]:
    """The forms without zeros, or without most of them."""
    return ("sparse", "blocks") if values == "int8" else ("sparse",)


@functools.cache
def _times(values: Values) -> Times:
    """From the user's cache, or measured and put there."""
    sizes = (SHAPE, BYTES, SHARES, TOKENS, ROUNDS)
    measured = (file_digest(Path(_engine.__file__)), _processor(), _engine.instruction_set(), values, *sizes)
    machine = " ".join(map(str, measured))
    path = _cache() / f"product-times-{hashlib.sha256(machine.encode()).hexdigest()[:16]}.json"
    with suppress(PruneError):
        found = read_json(path)
        if isinstance(found, dict) and found.get("machine") == machine and _are_times(found.get("seconds"), values):
            return found["seconds"]
    seconds = measure(values)
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


def _are_times(found: object, values: Values) -> bool:
    """Whether this is what :func:`measure` returns."""
    forms = {"dense", *(f"{form} {share}" for form in sparse_forms(values) for share in SHARES)}
    return isinstance(found, dict) and all(
        isinstance(times := found.get(str(tokens)), dict)
        and times.keys() == forms
        and all(type(seconds) is float and 0 <= seconds < math.inf for seconds in times.values())
        for tokens in TOKENS
    )


def measure(values: Values) -> Times:
    """The least CPU time of some rounds, which go through all batches: other work on the machine may slow many of them.

    Args:
        values: type of the values that are kept; with int8 the dense form is of int8, too.
    """
    random = np.random.default_rng(0)
    weight = random.standard_normal(SHAPE, dtype=np.float32)
    dense = _engine.Matrix.dense_int8 if values == "int8" else _engine.Matrix.dense
    copies = max(2, BYTES // dense(weight).nbytes)
    forms: dict[str, Sequence[_engine.Matrix]] = {"dense": [dense(weight) for _ in range(copies)]}
    for form in sparse_forms(values):
        build = _engine.Matrix.blocks if form == "blocks" else _engine.Matrix.sparse
        for share in SHARES:
            masks = [_mask(form, share, random) for _ in range(copies)]
            forms[f"{form} {share}"] = [build(*_rows(weight, mask, values), SHAPE) for mask in masks]
    inputs = {str(tokens): random.standard_normal((tokens, SHAPE[1]), dtype=np.float32) for tokens in TOKENS}
    seconds = {tokens: dict.fromkeys(forms, math.inf) for tokens in inputs}
    for _ in range(ROUNDS):
        for tokens, x in inputs.items():
            for name, matrices in forms.items():
                seconds[tokens][name] = min(seconds[tokens][name], _time(matrices, x))
    return seconds


def _mask(form: Form, share: float, random: np.random.Generator) -> npt.NDArray[np.bool_]:
    rows, columns = BLOCK if form == "blocks" else (1, 1)
    kept = random.random((SHAPE[0] // rows, SHAPE[1] // columns), dtype=np.float32) < share
    return kept.repeat(rows, axis=0).repeat(columns, axis=1)


def _rows(
    weight: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_], values: Values
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32], npt.NDArray[Any], Any]:
    starts = np.concatenate([[0], np.cumsum(mask.sum(1))])
    kept: npt.NDArray[Any] = weight[mask]
    kept = np.rint(kept * 20).astype(np.int8) if values == "int8" else kept.astype(values)
    scales = np.full(len(weight), 0.05, dtype=np.float32) if values == "int8" else None
    return starts, np.nonzero(mask)[1].astype(np.uint32), kept, scales


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
