"""A toy fairseq checkpoint, made without fairseq: one layer per stack, tied embeddings, values from a seed."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

DIMENSION, FEEDFORWARD, VOCABULARY, HEADS = 8, 12, 11, 2


def toy_model(seed: int = 0) -> dict[str, Tensor]:
    """A state dict with the keys of a fairseq Transformer."""
    random = torch.Generator().manual_seed(seed)
    model: dict[str, Tensor] = {}
    embedding = torch.randn(VOCABULARY, DIMENSION, generator=random)

    def linear(name: str, rows: int, columns: int) -> None:
        model[f"{name}.weight"] = torch.randn(rows, columns, generator=random)
        model[f"{name}.bias"] = torch.randn(rows, generator=random)

    for stack, attentions in (("encoder", ["self_attn"]), ("decoder", ["self_attn", "encoder_attn"])):
        model[f"{stack}.version"] = torch.tensor([3.0])
        model[f"{stack}.embed_tokens.weight"] = embedding
        for attention in attentions:
            for matrix in ("k_proj", "v_proj", "q_proj", "out_proj"):
                linear(f"{stack}.layers.0.{attention}.{matrix}", DIMENSION, DIMENSION)
            model[f"{stack}.layers.0.{attention}_layer_norm.weight"] = torch.ones(DIMENSION)
            model[f"{stack}.layers.0.{attention}_layer_norm.bias"] = torch.zeros(DIMENSION)
        linear(f"{stack}.layers.0.fc1", FEEDFORWARD, DIMENSION)
        linear(f"{stack}.layers.0.fc2", DIMENSION, FEEDFORWARD)
    model["decoder.output_projection.weight"] = embedding
    return model


def toy_state(seed: int = 0, updates: int = 100) -> dict[str, Any]:
    """What fairseq-train saves, with little in it."""
    sizes = {"embed_dim": DIMENSION, "ffn_embed_dim": FEEDFORWARD, "attention_heads": HEADS}
    model: dict[str, Any] = {"_name": "masked_transformer_tiny"}
    model |= {f"{stack}_{name}": size for stack in ("encoder", "decoder") for name, size in sizes.items()}
    history = {"criterion_name": "C", "optimizer_name": "FairseqAdam", "lr_scheduler_state": {"best": None}}
    return {
        "args": None,
        "cfg": {"model": model, "task": {"_name": "translation_pruning"}, "common": {"user_dir": "nmt_prune"}},
        "model": toy_model(seed),
        "criterion": None,
        "optimizer_history": [{**history, "num_updates": updates}],
        "task_state": {},
        "extra_state": {"train_iterator": {"version": 2, "epoch": 3, "iterations_in_epoch": 7, "shuffle": True}},
        "last_optimizer_state": {"state": {0: {"step": updates}}, "param_groups": []},
    }


def save_toy(path: Path, seed: int = 0, updates: int = 100) -> Path:
    """Writes a toy checkpoint."""
    torch.save(toy_state(seed, updates), path)
    return path
