"""fairseq checkpoints of small untrained models, and data folders that only hold dictionaries."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
from fairseq.models import ARCH_CONFIG_REGISTRY

from tests.tiny_model import SMALL, TYINGS, dictionary, tiny_model

PRE_NORM = {"encoder_normalize_before": True, "decoder_normalize_before": True}


def save_model(
    folder: Path, tying: str = "all", sparsity: float = 0.0, arch: str = "masked_transformer_tiny", **flags: Any
) -> Path:
    """Writes ``model.pt`` and the dictionaries of its data folder beside it."""
    words = 20
    model = tiny_model(tying, words, arch, **flags)
    settings = Namespace(**{**SMALL, **TYINGS[tying], **flags, "arch": arch})
    ARCH_CONFIG_REGISTRY[arch](settings)
    (folder / "data").mkdir(exist_ok=True)
    dictionary(words).save(str(folder / "data" / "dict.en.txt"))
    dictionary(words if tying == "all" else words + 5).save(str(folder / "data" / "dict.de.txt"))
    state = model.state_dict()
    if sparsity:
        for name, matrix in model.masking.parameters_by_matrix.items():
            mask = torch.rand_like(matrix) >= sparsity
            if name.padding_row is not None:
                mask[name.padding_row] = True
            for alias in name.names:
                state[alias] = matrix.detach() * mask
            state[f"mask_version_1.{name.name}"] = mask.byte()
    save_state(folder / "model.pt", state, settings, data=str(folder / "data"))
    return folder / "model.pt"


def save_state(path: Path, state: dict[str, Any], args: Namespace, **settings: Any) -> None:
    """Writes a checkpoint with a flat configuration, as fairseq did before 2021."""
    flat = {"source_lang": "en", "target_lang": "de", "task": "translation", **vars(args), **settings}
    history = {"criterion_name": "C", "optimizer_name": "FairseqAdam", "lr_scheduler_state": {"best": None}}
    torch.save(
        {
            "args": Namespace(**flat),
            "cfg": None,
            "model": state,
            "optimizer_history": [{**history, "num_updates": 3}],
            "extra_state": {},
        },
        path,
    )


def change(path: Path, settings: dict[str, Any] | None = None, **tensors: torch.Tensor | None) -> Path:
    """Changes settings and entries of the state dict of a checkpoint; None removes one, ``__`` stands for a dot."""
    state = torch.load(path, weights_only=False)
    vars(state["args"]).update(settings or {})
    for name, tensor in tensors.items():
        key = name.replace("__", ".")
        if tensor is None:
            del state["model"][key]
        else:
            state["model"][key] = tensor
    torch.save(state, path)
    return path
