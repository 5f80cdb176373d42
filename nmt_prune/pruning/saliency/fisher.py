"""The diagonal of the empirical Fisher information, measured."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt_prune.pruning.saliency import MeasuredSaliency, Probe, saliencies


@saliencies.register("fisher")
@dataclass(frozen=True)
class Fisher(MeasuredSaliency):
    """w² · E g², the mean over mini-batches: twice what the loss rises by without the weight (LeCun et al. 1990).

    Comparable between matrices: ``--budget global`` (or ``global-body``) prunes each as far as the loss bears it.
    """

    def measure(self, probe: Probe) -> Mapping[str, Tensor]:
        parameters = list(probe.parameters.values())
        totals, count = [torch.zeros_like(parameter) for parameter in parameters], 0
        for loss in probe.losses():
            count += 1
            for total, slope in zip(
                totals, torch.autograd.grad(loss.mean, parameters, materialize_grads=True), strict=True
            ):
                total += slope.square()
        return {
            name: weight.square() * total / count
            for (name, weight), total in zip(probe.parameters.items(), totals, strict=True)
        }
