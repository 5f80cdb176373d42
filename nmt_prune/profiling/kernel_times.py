"""Time of every matrix in every kernel, on this machine."""

import statistics
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt_prune.errors import PruneError
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.stored_tensor import StoredTensor

TOKENS = (1, 5, 40)
"""Vectors at once: a greedy step, a step with beam 5, the same for eight sentences."""

KERNELS = ("float32", "int8", "sparse", "blocks")
"""Dense in fp32, dense in int8, without the zeros in the type of the kept values, and in int8 without empty blocks."""

Times = Mapping[str, Mapping[int, Mapping[str, float]]]
"""Microseconds by matrix, tokens and kernel."""


def engine() -> Any:
    """The compiled module.

    Raises:
        PruneError: it was not built.
    """
    try:
        # Neither mentioned nor loaded where it was not built.
        return import_module("nmt_prune.runtime._engine")
    except ImportError as error:
        raise PruneError(
            f"the compiled engine was not built ({error}); install a C++ compiler, then nmt-prune anew, or give"
            " --rounds 0 to leave times out"
        ) from None


def matrix_times(model: CompactModel, rounds: int) -> Times:
    """Multiplies each matrix with random vectors; medians of CPU time of one thread.

    A round goes through the whole model with one kernel before the next, as decoding does, so that a model larger than
    the caches comes from memory.

    Args:
        model: the model; embeddings that are only looked up are left out.
        rounds: how often.

    Raises:
        PruneError: the compiled engine was not built.
    """
    compiled = engine().Matrix
    matrices = {
        name: dict(zip(KERNELS, _kernels(compiled, model.weights[name]), strict=True)) for name in multiplied(model)
    }
    chance = np.random.default_rng(1)
    widths = {kinds["sparse"].shape[1] for kinds in matrices.values()}
    inputs = {(tokens, width): chance.random((tokens, width), np.float32) for tokens in TOKENS for width in widths}
    taken: dict[tuple[str, int, str], list[float]] = {}
    for _ in range(rounds + 1):  # the first is not counted
        for tokens in TOKENS:
            for kernel in KERNELS:
                for name, kinds in matrices.items():
                    x = inputs[tokens, kinds[kernel].shape[1]]
                    start = time.thread_time_ns()
                    kinds[kernel].multiply(x)
                    taken.setdefault((name, tokens, kernel), []).append((time.thread_time_ns() - start) / 1e3)
    return {
        name: {
            tokens: {kernel: statistics.median(taken[name, tokens, kernel][1:]) for kernel in KERNELS}
            for tokens in TOKENS
        }
        for name in matrices
    }


def multiplied(model: CompactModel) -> list[str]:
    """Names of the matrices that vectors are multiplied with."""
    output = "decoder.output_projection.weight"
    output = model.aliases.get(output, output)
    matrices = [name for name, weight in model.weights.items() if len(weight.shape) == 2]
    return [name for name in matrices if name == output or ".layers." in name]


def _kernels(compiled: Any, weight: StoredTensor) -> tuple[Any, Any, Any, Any]:
    array = weight.dense()
    sparse = compiled.sparse(*weight.csr(), array.shape)
    return compiled.dense(array), compiled.dense_int8(array), sparse, compiled.blocks(*_bytes_of(array), array.shape)


def _bytes_of(array: npt.NDArray[np.float32]) -> tuple[npt.NDArray[Any], ...]:
    """Rows of what is not zero, rounded as the dense int8 form rounds: starts, columns, values and scales."""
    scales = np.abs(array).max(1, initial=0) / np.float32(127)
    is_kept = array != 0
    rows, columns = np.nonzero(is_kept)
    values = np.rint(array[is_kept] / scales[rows]).astype(np.int8)
    return np.concatenate([[0], np.cumsum(is_kept.sum(1))]), columns.astype(np.uint32), values, scales
