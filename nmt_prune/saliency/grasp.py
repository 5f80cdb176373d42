"""Gradient signal preservation."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.saliency import MeasuredSaliency, Probe, saliencies


@saliencies.register("grasp")
@dataclass(frozen=True)
class Grasp(MeasuredSaliency):
    """w · Hg, H the Hessian: what removing the weight takes from the squared norm of the gradient (Wang et al. 2020).

    The paper writes -w · Hg and removes the largest. Its code splits each batch into halves and adds up their
    derivatives, to need less memory; mini-batches are added up in the same way here, so a smaller --max-tokens does it.

    Args:
        temperature: logits are divided by it, so that the untrained output distribution is near uniform.
        rounds: number of steps, at exponentially falling densities; the original takes one.

    Raises:
        PruneError: the temperature is not above 0.
    """

    temperature: float = 200.0
    rounds: int = 1

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise PruneError(f"saliency grasp: temperature={self.temperature:g} must be above 0")

    def measure(self, probe: Probe) -> Mapping[str, Tensor]:
        curvature = probe.curvature(probe.gradients(self.temperature), self.temperature)
        return {name: curvature[name] * weight for name, weight in probe.parameters.items()}
