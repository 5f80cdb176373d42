"""Shuffled survivors."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.resets import Reset, resets
from nmt_prune.randomness import generator


@resets.register("shuffle")
@dataclass(frozen=True)
class Shuffle(Reset):
    """The rewind point's surviving values of each matrix, permuted: same mask and distribution, other positions."""

    def survivors(self, prunable: Prunable, weight: Tensor, mask: Tensor) -> Tensor:
        shuffled, values = weight.clone(), weight[mask]
        order = torch.randperm(len(values), generator=generator(self.seed, "shuffled survivors", prunable.name))
        shuffled[mask] = values[order]
        return shuffled
