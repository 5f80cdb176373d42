"""Random scores: the control that every saliency has to beat."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.saliency import Saliency, saliencies
from nmt_prune.randomness import generator


@saliencies.register("random")
@dataclass(frozen=True)
class Random(Saliency):
    """Independent uniform scores that depend only on the seed and on the matrix's name."""

    def score_matrix(self, prunable: Prunable, weight: Tensor) -> Tensor:
        return torch.rand(prunable.shape, generator=generator(self.seed, "saliency", prunable.name))
