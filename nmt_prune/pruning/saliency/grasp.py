"""Gradient signal preservation."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.pruning.saliency import MeasuredSaliency, Probe, saliencies


@saliencies.register("grasp")
@dataclass(frozen=True)
class Grasp(MeasuredSaliency):
    """w · Hg, H the Hessian: what removing the weight takes from the squared norm of the gradient (Wang et al. 2020).

    The paper writes -w · Hg and removes the largest. Its code splits each batch into halves and adds up their
    derivatives, to need less memory; mini-batches are added up in the same way here, so a smaller --max-tokens does it.

    About half of the scores are below 0, where removing the weight makes the gradient larger. At moderate sparsities
    these are what goes, and the survivors have the signs of Hg, all together: one direction dominates every pruned
    matrix (its largest singular value has three times its share), and the model trains far worse than under a random
    mask, although the loss before training is no higher. It is the choice within a matrix: shuffled there, the mask
    trains much better. Lubana & Dick 2021 find as much for convolutions and take |w · Hg| instead, which keeps the
    norm as it is: ``preserve=true``.

    Args:
        temperature: logits are divided by it, so that the untrained output distribution is near uniform.
        preserve: whether scores are absolute values.
        rounds: number of steps, at exponentially falling densities; the original takes one.

    Raises:
        PruneError: the temperature is not above 0.
    """

    temperature: float = 200.0
    preserve: bool = False
    rounds: int = 1

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise PruneError(f"saliency grasp: temperature={self.temperature:g} must be above 0")

    def measure(self, probe: Probe) -> Mapping[str, Tensor]:
        curvature = probe.curvature(probe.gradients(self.temperature), self.temperature)
        scores = {name: curvature[name] * weight for name, weight in probe.parameters.items()}
        return {name: score.abs() for name, score in scores.items()} if self.preserve else scores
