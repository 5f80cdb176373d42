"""Models with Marian's positions, as ``--marian-positions`` trains them."""

from dataclasses import replace

import numpy as np

from nmt_prune.sinusoids import sinusoids
from nmt_prune.storage.model.architecture import Architecture
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.kept_values import KeptValues
from nmt_prune.text.dictionaries import PAD


def with_marian_positions(model: CompactModel) -> CompactModel:
    """The same model, its positions from 0 on, as a table that was learned."""
    weights, stacks = dict(model.weights), []
    for name in ("encoder", "decoder"):
        stack = getattr(model.architecture, name)
        table = np.pad(sinusoids(stack.max_positions, stack.dim), [(PAD + 1, 0), (0, 0)])
        weights[f"{name}.embed_positions.weight"] = KeptValues.of(table)
        stacks.append(replace(stack, positions="learned"))
    return replace(model, architecture=Architecture(*stacks), weights=weights)
