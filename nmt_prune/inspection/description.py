"""What a checkpoint or a mask file holds, as plain values for a table or JSON."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.checkpoints.weights import existing, parameter_count
from nmt_prune.inspection.emptied import sublayers
from nmt_prune.inspection.known_scope import known_scope
from nmt_prune.inspection.memory import bitmask_bytes
from nmt_prune.inspection.overlap import overlaps
from nmt_prune.masks.mask_file import SUFFIX, load_masks
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.masks.statistics import matrix_statistics, totals
from nmt_prune.pruning.quantization.size import quantized_bytes


def inspect(path: Path) -> dict[str, Any]:
    """Describes a fairseq Transformer checkpoint or a mask file.

    Returns:
        ``matrices``: counts per matrix; ``sublayers``: dead heads and units; ``sparsity``: totals over ``prunable``,
        ``all`` (checkpoints only) and ``body``; ``megabytes`` (10^6 bytes): the file, and what the model's weights take
        dense, as CSC and as bitmask with values, all in fp32, and ``stored`` in the bits of its quantization with an
        index of kept groups (nmt_prune.pruning.quantization.size); ``source``: where masks come from.

    Raises:
        PruneError: the file is missing, damaged or of another kind.
    """
    if path.suffix == SUFFIX:
        masks, provenance = load_masks(path)
        size = sum(prunable.size for prunable in masks.prunables)
        sparsity = {name: share for name, share in totals(masks, size).items() if name != "all"}
        return {
            **_description(path, masks, None, {}),
            "sparsity": sparsity,
            "source": "mask file",
            "provenance": provenance,
        }
    checkpoint = Checkpoint.load(path)
    masks = existing(checkpoint)
    parameters = parameter_count(checkpoint)
    return {
        **_description(path, masks, checkpoint.matrices, checkpoint.heads),
        "sparsity": totals(masks, parameters),
        "parameters": parameters,
        "updates": checkpoint.num_updates,
        "megabytes": {**_megabytes(path, masks, parameters), "stored": quantized_bytes(checkpoint) / 1e6},
        "source": _source(checkpoint),
    }


def _source(checkpoint: Checkpoint) -> str:
    if not checkpoint.has_masks:
        return "zeros in the weights"
    states = (checkpoint.state.get("task_state") or {}).values()
    if any(isinstance(state, Mapping) and "hidden" in state for state in states):
        return f"masks in the checkpoint, not final at update {checkpoint.num_updates}: what they hide goes on learning"
    return "masks in the checkpoint"


def compare(first: Path, second: Path) -> list[dict[str, Any]]:
    """Compares the masks of two files (checkpoints or mask files), and the signs of the weights of two checkpoints.

    Returns:
        Per matrix and in total: counts, ``jaccard``, ``chance`` and ``sign_agreement``. The total is over the matrices
        that are ``counted``: those that could be pruned.

    Raises:
        PruneError: a file is missing, or the two are of different architectures.
    """
    (masks, checkpoint), (others, other) = (_masks_and_checkpoint(path) for path in (first, second))
    weights = None if checkpoint is None or other is None else (checkpoint.matrices, other.matrices)
    known = known_scope(first, masks, checkpoint) | known_scope(second, others, other)
    return [
        {**asdict(row), "jaccard": row.jaccard, "chance": row.chance, "sign_agreement": row.sign_agreement}
        for row in overlaps(masks, others, weights, known)
    ]


def _masks_and_checkpoint(path: Path) -> tuple[MaskSet, Checkpoint | None]:
    if path.suffix == SUFFIX:
        return load_masks(path)[0], None
    checkpoint = Checkpoint.load(path)
    return existing(checkpoint), checkpoint


def _description(
    path: Path, masks: MaskSet, weights: Mapping[Prunable, Tensor] | None, heads: dict[str, int]
) -> dict[str, Any]:
    return {
        "file": str(path),
        "digest": masks.digest(),
        "matrices": [
            {
                "name": row.prunable.name,
                "aliases": list(row.prunable.aliases),
                "shape": list(row.prunable.shape),
                "size": row.prunable.size,
                "kept": row.kept,
                "sparsity": row.sparsity,
                "dead_rows": row.dead_rows,
                "dead_columns": row.dead_columns,
                "largest": row.largest,
            }
            for row in matrix_statistics(masks, weights)
        ],
        "sublayers": [asdict(sublayer) for sublayer in sublayers(masks, heads)],
    }


def _megabytes(path: Path, masks: MaskSet, parameters: int) -> dict[str, float]:
    kept = sum(masks.kept(prunable) for prunable in masks.prunables)
    matrices = sum(prunable.shape[0] * prunable.shape[1] for prunable in masks.prunables)
    rest = 4 * (parameters - matrices)
    column_pointers = sum(4 * (prunable.shape[1] + 1) for prunable in masks.prunables)
    return {
        "file": path.stat().st_size / 1e6,
        "dense": 4 * parameters / 1e6,
        "csc": (8 * kept + column_pointers + rest) / 1e6,
        "bitmask": bitmask_bytes(masks, parameters) / 1e6,
    }
