"""Whole Transformers with random weights, pruned by magnitude per matrix."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.pruning.budgets import budgets
from nmt_prune.pruning.groups import groups
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency import saliencies
from nmt_prune.storage.model.architecture import Architecture, Stack
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.grids import narrowed
from nmt_prune.storage.model.kept_values import KeptValues
from nmt_prune.storage.model.layout import layout
from nmt_prune.storage.model.precision import converted
from nmt_prune.storage.model.stored_tensor import StoredTensor
from tests.benchmarks.transformer_shapes import LAYERS, SIZES, random_matrices

HEAD = 64
TIED = ("decoder.embed_tokens.weight", "decoder.output_projection.weight")


def pruned_transformer(
    size: str,
    sparsity: float,
    removed: float = 0.0,
    values: str = "float32",
    layers: tuple[int, int] = (LAYERS, LAYERS),
    group: str = "element",
) -> CompactModel:
    """A model whose matrices have all lost the same share of their weights, or of groups of them.

    Args:
        size: which of ``transformer_shapes.SIZES``.
        sparsity: that share.
        removed: share of the heads and feed-forward units of each sublayer that are gone before that.
        values: type of the weights.
        layers: of the encoder and of the decoder.
        group: what is pruned together.
    """
    weights = random_matrices(size, removed=removed, layers=layers)
    masks = MaskSet.dense(weights)
    if sparsity:
        pruner = Pruner(saliencies.build("magnitude"), budgets.build("matrix"), groups.build(group))
        masks = pruner.prune(weights, masks, sparsity)
    kept = {prunable.name: masks[prunable.name].numpy() for prunable in weights}
    arrays = {prunable.name: weight.numpy() * kept[prunable.name] for prunable, weight in weights.items()}
    return transformer(size, arrays, kept, values, removed, layers)


def transformer(
    size: str,
    matrices: Mapping[str, npt.NDArray[np.float32]],
    kept: Mapping[str, npt.NDArray[np.bool_]],
    values: str,
    removed: float = 0.0,
    layers: tuple[int, int] = (LAYERS, LAYERS),
) -> CompactModel:
    """A model of these matrices, biases and norms random too, so that a file gains nothing from them."""
    width, feedforward, vocabulary = SIZES[size]
    heads, units = round(width * (1 - removed)) // HEAD, round(feedforward * (1 - removed))
    shared = (False, False, "relu", width**0.5, False, "sinusoidal", 1024)
    encoder, decoder = (
        Stack(width, HEAD, (heads,) * count, (heads,) * cross, (units,) * count, *shared)
        for count, cross in ((layers[0], 0), (layers[1], layers[1]))
    )
    architecture, random = Architecture(encoder, decoder), np.random.default_rng(1)
    weights: dict[str, StoredTensor] = {}
    for name, shape in layout(architecture, vocabulary, vocabulary).items():
        if name in matrices:
            weights[name] = converted(name, narrowed(KeptValues.of(matrices[name], kept[name])), values)
        elif name not in TIED:
            weights[name] = KeptValues.of(random.standard_normal(shape).astype(np.float32))
    symbols = ("<s>", "<pad>", "</s>", "<unk>", *map(str, range(vocabulary - 4)))
    return CompactModel(architecture, weights, dict.fromkeys(TIED, "encoder.embed_tokens.weight"), symbols, symbols)
