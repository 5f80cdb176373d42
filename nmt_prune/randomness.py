"""Random numbers that depend on a seed and on what they are for, not on the order in which they are drawn."""

import hashlib

import torch


def generator(seed: int, *purpose: str) -> torch.Generator:
    """A CPU generator for one purpose, e.g. ``generator(1, "saliency", "encoder.layers.0.fc1.weight")``."""
    digest = hashlib.sha256("\n".join([str(seed), *purpose]).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
