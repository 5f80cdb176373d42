"""Bytes of a pruned Transformer base in a compact file, and the time it takes to write and to read one.

Normal weights, masks by magnitude per matrix, one tied vocabulary matrix. Times are CPU seconds on one thread.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.profiling.csc import csc_bytes, deflated_csc_bytes
from nmt_prune.pruning.budgets import budgets
from nmt_prune.pruning.saliency import saliencies
from nmt_prune.storage.format.compact_file import load_compact, save_compact, tensor_bytes
from nmt_prune.storage.model.kept_values import KeptValues
from tests.benchmarks.random_transformer import transformer
from tests.benchmarks.reporting import report
from tests.benchmarks.transformer_shapes import random_matrices

MIB = 2**20
SIZE = "base, 61 M"
PAPER = {0.5: 137, 0.8: 59, 0.9: 31, 0.95: 17, 0.98: 7}
"""Brix, Bahar and Ney 2020, by sparsity; most likely deflated CSC in MB or MiB."""

TYPES = ("float32", "float16", "int8")
COLUMNS = ["sparsity", "paper", "raw CSC", "deflated CSC", *TYPES, "pack MB/s", "unpack MB/s", "fp16 MB/s", "int8 MB/s"]


def run() -> None:
    """Measures all sparsities and types."""
    weights = random_matrices(SIZE)
    report(
        "compact_storage",
        f"A Transformer {SIZE}, in MiB",
        COLUMNS,
        [_measure(weights, sparsity) for sparsity in PAPER],
        "float32, float16, int8: the compact file by type of its values, without dictionaries; float32 is lossless."
        " CSC has 32-bit indices and fp32 values, matrices only; deflated by numpy.savez_compressed."
        " Speeds: MB of dense fp32 weights per second of CPU time, float32 packed and unpacked, fp16 and int8 packed."
        " Goals: 106/43/22/11.5/5.1, 52/23.5/12.6/6.6/2.9 and 34/16/9/5/2.8 MiB; 100 MB/s.",
    )


def _measure(weights: dict[Prunable, Tensor], sparsity: float) -> dict[str, Any]:
    scores = saliencies.build("magnitude").score(weights)
    masks = budgets.build("matrix").select(scores, MaskSet.dense(weights), sparsity)
    arrays = {prunable.name: weight.numpy() for prunable, weight in weights.items()}
    pruned = {name: array * masks[name].numpy() for name, array in arrays.items()}
    kept = {name: masks[name].numpy() for name in pruned}
    megabytes = sum(array.nbytes for array in arrays.values()) / 1e6
    row: dict[str, Any] = {"sparsity": f"{sparsity:.0%}", "paper": PAPER[sparsity]}
    row["raw CSC"] = sum(csc_bytes(KeptValues.of(array, kept[name])) for name, array in pruned.items()) / MIB
    row["deflated CSC"] = (
        sum(deflated_csc_bytes(KeptValues.of(array, kept[name])) for name, array in pruned.items()) / MIB
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.nmt"
        speeds = {}
        for values in TYPES:
            speeds[values] = megabytes / _seconds(
                lambda values=values: save_compact(transformer(SIZE, pruned, kept, values), path)
            )
            row[values] = tensor_bytes(path) / MIB
            if values == "float32":
                unpacked: dict[str, np.ndarray] = {}
                row["unpack MB/s"] = megabytes / _seconds(lambda out=unpacked: out.update(_unpack(path)))
                assert all((unpacked[name] == array).all() for name, array in pruned.items())
    return {**row, "pack MB/s": speeds["float32"], "fp16 MB/s": speeds["float16"], "int8 MB/s": speeds["int8"]}


def _unpack(path: Path) -> dict[str, np.ndarray]:
    return {name: weight.dense() for name, weight in load_compact(path).weights.items()}


def _seconds(call: Callable[[], Any]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start
