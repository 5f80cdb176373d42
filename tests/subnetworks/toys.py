"""Toy masks of a whole Transformer and components with known worth, without any model."""

from collections.abc import Mapping

import torch
from torch import Tensor

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable, parse
from nmt_prune.pruning.groups import groups
from nmt_prune.subnetworks.components import Components

HEADS, HEAD_DIM, UNITS = 4, 2, 6
DIMENSION = HEADS * HEAD_DIM
ATTENTIONS = {"encoder": ["self_attn"], "decoder": ["self_attn", "encoder_attn"]}


def prunables(layers: int) -> list[Prunable]:
    """All matrices of a Transformer, its embedding included."""
    shapes = {"encoder.embed_tokens.weight": (9, DIMENSION)}
    for stack, blocks in ATTENTIONS.items():
        for layer in range(layers):
            for block in blocks:
                for matrix in ("q", "k", "v", "out"):
                    shapes[f"{stack}.layers.{layer}.{block}.{matrix}_proj.weight"] = (DIMENSION, DIMENSION)
            shapes[f"{stack}.layers.{layer}.fc1.weight"] = (UNITS, DIMENSION)
            shapes[f"{stack}.layers.{layer}.fc2.weight"] = (DIMENSION, UNITS)
    return [found for name, shape in shapes.items() if (found := parse(name, shape))]


def masks(layers: int = 3) -> MaskSet:
    return MaskSet.dense(prunables(layers))


def heads(spec: str = "head:reduce=mean") -> Components:
    built = groups.build(spec, head_dim={"encoder": HEAD_DIM, "decoder": HEAD_DIM})
    return Components("heads", built, ("self_attn", "encoder_attn"))


def ffn(spec: str = "sublayer:reduce=mean") -> Components:
    return Components("FFN components", groups.build(spec), ("ffn",))


def weights() -> Components:
    return Components("weights", groups.build("element"), ("self_attn", "encoder_attn", "ffn"))


def worth(parts: list[Components], start: MaskSet, seed: int = 0) -> dict[tuple[str, int], float]:
    """A different worth for each component, by family and position."""
    names = [
        (family.name, index) for part in parts for family in part.alive(start).prunables for index in range(family.size)
    ]
    values = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)) + 1
    return dict(zip(names, values.tolist(), strict=True))


def weight_scores(
    parts: list[Components], start: MaskSet, worths: Mapping[tuple[str, int], float]
) -> dict[str, Tensor]:
    """Scores of the weights: each has the worth of its component, so that means give it back."""
    scores = {prunable.name: torch.zeros(prunable.shape) for prunable in start.prunables}
    for part in parts:
        members = [prunable for prunable in start.prunables if prunable.block in part.blocks]
        for family, matrices in part.group.families(members).items():
            values = torch.tensor([worths[family.name, index] for index in range(family.size)], dtype=torch.float32)
            for prunable, ids in matrices:
                scores[prunable.name] = values[ids].expand(prunable.shape)
    return scores


def survivors(parts: list[Components], found: MaskSet) -> set[tuple[str, int]]:
    """The components that exist, by family and position."""
    return {
        (family.name, index)
        for part in parts
        for alive in [part.alive(found)]
        for family in alive.prunables
        for index in alive[family.name].flatten().nonzero().flatten().tolist()
    }
