"""Connection sensitivity."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from nmt_prune.saliency import MeasuredSaliency, Probe, saliencies


@saliencies.register("snip")
@dataclass(frozen=True)
class Snip(MeasuredSaliency):
    """|g · w|: how fast the loss changes when the weight is scaled (SNIP, Lee et al. 2019).

    The original divides all scores by their sum, which changes no ranking.

    Args:
        rounds: number of steps, at exponentially falling densities; the original takes one.
    """

    rounds: int = 1

    def measure(self, probe: Probe) -> Mapping[str, Tensor]:
        gradients = probe.gradients()
        return {name: (gradients[name] * weight).abs() for name, weight in probe.parameters.items()}
