"""Random matrices of the shapes of a Transformer with one tied vocabulary matrix."""

from collections.abc import Iterator

import torch
from torch import Tensor

from nmt_prune.masks.prunable import Prunable, parse

SIZES = {"base, 61 M": (512, 2048, 33_000), "big, 210 M": (1024, 4096, 33_000)}
"""Width, feed-forward width and vocabulary."""

LAYERS = 6


def random_matrices(size: str, seed: int = 1) -> dict[Prunable, Tensor]:
    """Normal weights as a Transformer is initialised: standard deviation 1/√columns."""
    random = torch.Generator().manual_seed(seed)
    matrices = {}
    for name, shape in _shapes(*SIZES[size]):
        prunable = parse(name, shape)
        assert prunable is not None
        matrices[prunable] = torch.empty(shape).normal_(0, shape[1] ** -0.5, generator=random)
    return matrices


def _shapes(width: int, feedforward: int, vocabulary: int) -> Iterator[tuple[str, tuple[int, int]]]:
    yield "encoder.embed_tokens.weight", (vocabulary, width)
    for stack, attentions in (("encoder", ["self_attn"]), ("decoder", ["self_attn", "encoder_attn"])):
        for layer in range(LAYERS):
            prefix = f"{stack}.layers.{layer}"
            for attention in attentions:
                for matrix in ("q_proj", "k_proj", "v_proj", "out_proj"):
                    yield f"{prefix}.{attention}.{matrix}.weight", (width, width)
            yield f"{prefix}.fc1.weight", (feedforward, width)
            yield f"{prefix}.fc2.weight", (width, feedforward)
