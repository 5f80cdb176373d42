"""Flags of fairseq that need a device which is not here: a traceback there, one line here."""

from importlib.util import find_spec
from typing import Any

import torch

from nmt_prune.errors import PruneError
from nmt_prune.tasks.config import TranslationPruningConfig


def refuse_missing_devices(cfg: TranslationPruningConfig) -> None:
    """Refuses precisions and quantization noise that fairseq computes on a GPU or a TPU alone.

    Raises:
        PruneError: the flags ask for one that this machine lacks.
    """
    root: Any = cfg._get_parent()
    if root is None:
        return
    common = root.common
    if common.tpu and find_spec("torch_xla") is None:
        flag = "--bf16" if common.bf16 else "--tpu"
        raise PruneError(
            f"{flag}: fairseq-train wants a TPU and torch_xla for it, which is not installed; leave it out, or take"
            " --amp or --fp16 on a GPU"
        )
    if sees_gpu():
        return
    is_flat = not (common.memory_efficient_fp16 or common.bf16 or common.fp16_no_flatten_grads)
    if common.fp16 and is_flat:
        raise PruneError(
            "--fp16: fairseq keeps its fp32 weights on a GPU, and torch sees none; leave it out, or add"
            " --fp16-no-flatten-grads"
        )
    if getattr(root.model, "quant_noise_scalar", 0):
        raise PruneError(
            "--quant-noise-scalar: fairseq computes its scales on a GPU, and torch sees none; take --quantizer uniform"
        )


def sees_gpu() -> bool:
    """Whether torch has a GPU."""
    return torch.cuda.is_available()
