"""Random matrices of the shapes of a Transformer with one tied vocabulary matrix."""

from collections.abc import Iterator

import torch
from torch import Tensor

from nmt_prune.masks.prunable import Prunable, parse

SIZES = {"base, 61 M": (512, 2048, 33_000), "big, 210 M": (1024, 4096, 33_000)}
"""Width, feed-forward width and vocabulary."""

LAYERS = 6


def random_matrices(
    size: str, seed: int = 1, removed: float = 0.0, layers: tuple[int, int] = (LAYERS, LAYERS)
) -> dict[Prunable, Tensor]:
    """Normal weights as a Transformer is initialised: standard deviation 1/√columns.

    Args:
        size: which of ``SIZES``.
        seed: seed of the weights.
        removed: share of the heads and feed-forward units of each sublayer that are gone.
        layers: of the encoder and of the decoder.
    """
    random = torch.Generator().manual_seed(seed)
    matrices = {}
    for name, shape in _shapes(*SIZES[size], removed, layers):
        prunable = parse(name, shape)
        assert prunable is not None
        matrices[prunable] = torch.empty(shape).normal_(0, shape[1] ** -0.5, generator=random)
    return matrices


def _shapes(
    width: int, feedforward: int, vocabulary: int, removed: float, layers: tuple[int, int]
) -> Iterator[tuple[str, tuple[int, int]]]:
    inner, units = round(width * (1 - removed)), round(feedforward * (1 - removed))
    yield "encoder.embed_tokens.weight", (vocabulary, width)
    stacks = (("encoder", ["self_attn"]), ("decoder", ["self_attn", "encoder_attn"]))
    for (stack, attentions), count in zip(stacks, layers, strict=True):
        for layer in range(count):
            prefix = f"{stack}.layers.{layer}"
            for attention in attentions:
                for matrix in ("q_proj", "k_proj", "v_proj"):
                    yield f"{prefix}.{attention}.{matrix}.weight", (inner, width)
                yield f"{prefix}.{attention}.out_proj.weight", (width, inner)
            yield f"{prefix}.fc1.weight", (units, width)
            yield f"{prefix}.fc2.weight", (width, units)
