"""The mean of several checkpoints."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nmt_prune.checkpoints import QUANTIZATION_MODULE, Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.masks.statistics import largest_weight


def average(checkpoints: Sequence[Checkpoint], largest: float = 100.0) -> dict[str, Any]:
    """Averages the weights of checkpoints with the same masks.

    Args:
        checkpoints: at least one.
        largest: refuse if a weight is larger than this; Brix 2020 (section 5) could not average SLT models at high
            sparsity, whose weights exceed 100.

    Returns:
        The state of a checkpoint, everything but the weights from the last one.

    Raises:
        PruneError: the masks or the architectures differ (the average would have the union of their weights), or a
            weight is too large.
    """
    last = checkpoints[-1]
    if any(key.startswith(f"{QUANTIZATION_MODULE}.") for c in checkpoints for key in c.state["model"]):
        raise PruneError("quantized weights leave their grid when averaged; average first, then run nmt-prune quantize")
    sums: dict[str, Tensor] = {}
    for checkpoint in checkpoints:
        last.masks.check_matches(checkpoint.matrices, str(last.path))
        if checkpoint.masks != last.masks:
            raise PruneError(
                f"{checkpoint.path} and {last.path} have different masks; average only checkpoints saved after the last"
                " mask change"
            )
        _check_same_entries(checkpoint, last)
        found = largest_weight(checkpoint.matrices.values())
        if found > largest:
            raise PruneError(
                f"{checkpoint.path} has a weight of magnitude {found:.1f}, above {largest:g}, where averages are"
                " useless; use a single checkpoint or raise --largest"
            )
        for name, tensor in checkpoint.model.items():
            total = tensor.double() if tensor.is_floating_point() else tensor
            sums[name] = sums[name] + total if name in sums and tensor.is_floating_point() else total
    count = len(checkpoints)
    averaged = {
        name: (total / count).to(last.model[name].dtype) if total.dtype == torch.float64 else total
        for name, total in sums.items()
    }
    return {**last.state, "model": {**last.state["model"], **averaged}, "last_optimizer_state": None}


def _check_same_entries(one: Checkpoint, other: Checkpoint) -> None:
    shapes, others = ({name: tuple(tensor.shape) for name, tensor in c.model.items()} for c in (one, other))
    for name in sorted(shapes.keys() | others.keys()):
        if shapes.get(name) != others.get(name):
            raise PruneError(
                f"{one.path} and {other.path} are of different architectures: {name} is {shapes.get(name, 'missing')}"
                f" and {others.get(name, 'missing')}; average checkpoints of one training"
            )
