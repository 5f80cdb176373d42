"""Connection sensitivity."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from nmt_prune.pruning.saliency import MeasuredSaliency, Probe, saliencies


@saliencies.register("snip")
@dataclass(frozen=True)
class Snip(MeasuredSaliency):
    """|g · w|: how fast the loss changes when the weight is scaled (SNIP, Lee et al. 2019).

    The original divides all scores by their sum, which changes no ranking.

    In a fresh Transformer attention is nearly uniform, so queries and keys have small gradients: one ranking of all
    matrices leaves them what the floor says, and in embeddings it takes whole rows, those of rare words. A budget by
    matrix and the prune set ``body`` train better.

    Args:
        rounds: number of steps, at exponentially falling densities; the original takes one.
    """

    rounds: int = 1

    def measure(self, probe: Probe) -> Mapping[str, Tensor]:
        gradients = probe.gradients()
        return {name: (gradients[name] * weight).abs() for name, weight in probe.parameters.items()}
