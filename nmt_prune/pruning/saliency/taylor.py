"""First-order Taylor importance."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from nmt_prune.pruning.saliency import MeasuredSaliency, Probe, saliencies


@saliencies.register("taylor")
@dataclass(frozen=True)
class Taylor(MeasuredSaliency):
    """|g · w| of a weight, g · w with its sign in a group: removing it changes the loss by about that much.

    Summed over the output matrix of a head or feed-forward unit (``--group head:reduce=abs-sum,of=output``) it is the
    derivative of the loss by a gate on the head or unit: the importance of Michel 2019 and Prasanna 2020, but with the
    absolute value taken once, after averaging over the data; ``head-importance`` takes it for each example.

    Args:
        grouped: whether weights are scored as members of groups.
    """

    grouped: bool = field(default=False, kw_only=True)

    def measure(self, probe: Probe) -> Mapping[str, Tensor]:
        gradients = probe.gradients()
        changes = {name: gradients[name] * weight for name, weight in probe.parameters.items()}
        return changes if self.grouped else {name: change.abs() for name, change in changes.items()}
