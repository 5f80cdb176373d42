"""What a compact model remembers of its checkpoint, so that ``nmt-prune unpack`` can write it again."""

from typing import Any

import numpy.typing as npt
import torch

from nmt_prune import __version__
from nmt_prune.checkpoints import MASK_MODULE, QUANTIZATION_MODULE, Checkpoint
from nmt_prune.checkpoints.stock import restarted
from nmt_prune.checkpoints.weights import is_weight


def provenance(checkpoint: Checkpoint) -> dict[str, Any]:
    """Digest, configuration and masked matrices of a checkpoint, as JSON values.

    The task's settings say how the masks were found.
    """
    weights = checkpoint.model
    state = restarted(checkpoint, {}) if checkpoint.state.get("optimizer_history") else {}
    dtypes = {name: str(tensor.dtype).removeprefix("torch.") for name, tensor in weights.items() if is_weight(name)}
    return {
        "nmt_prune": __version__,
        "checkpoint": checkpoint.digest if checkpoint.path.is_file() else None,
        "num_updates": checkpoint.num_updates,
        "masks": checkpoint.masks.digest() if checkpoint.has_masks else None,
        "masked": [name for prunable in checkpoint.matrices if _is_masked(checkpoint, name := prunable.name)],
        "dtypes": {name: dtype for name, dtype in dtypes.items() if dtype != "float32"},
        "configuration": state.get("cfg"),
        "history": state["optimizer_history"][0] if state else None,
    }


def extras(checkpoint: Checkpoint) -> dict[str, npt.NDArray[Any]]:
    """Version numbers of fairseq's and what is said about quantization.

    Sinusoidal tables of old checkpoints, which fairseq computes by itself, are left out.
    """
    return {
        name: (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
        for name, tensor in checkpoint.state["model"].items()
        if name.endswith(".version") or name.startswith(f"{QUANTIZATION_MODULE}.")
    }


def _is_masked(checkpoint: Checkpoint, name: str) -> bool:
    return f"{MASK_MODULE}.{name}" in checkpoint.state["model"]
