"""Magnitude."""

from dataclasses import dataclass

from torch import Tensor

from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.saliency import Saliency, saliencies


@saliencies.register("magnitude")
@dataclass(frozen=True)
class Magnitude(Saliency):
    """|w|, in float32 (Brix 2020, Han et al. 2015)."""

    def score_matrix(self, prunable: Prunable, weight: Tensor) -> Tensor:
        return weight.float().abs()
