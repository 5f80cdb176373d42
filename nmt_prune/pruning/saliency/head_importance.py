"""Expected importance of attention heads and feed-forward units."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from nmt_prune.pruning.saliency import Probe, saliencies
from nmt_prune.pruning.saliency.channels import ChannelSaliency, WatchedUnits
from nmt_prune.pruning.saliency.evidence import Loss


@saliencies.register("head-importance")
@dataclass(frozen=True)
class HeadImportance(ChannelSaliency):
    """E |aᵀ ∂L/∂a|, a the output of a head or of a feed-forward unit: the loss by a gate on it (Michel 2019).

    L is the summed loss of a sentence. Prasanna's code sums gradients over mini-batches before it takes absolute
    values; here each has its own.

    Args:
        per: absolute values are taken for each ``example`` (Michel's paper, Prasanna's formula) or for each ``token``
            that attends (Michel's code), padding left out.
        ffn: feed-forward sublayers have a gate on each ``unit``, or one on the whole ``sublayer`` but its output bias,
            which no mask removes (Prasanna 2020; for ``--group sublayer``).
    """

    per: Literal["example", "token"] = "example"
    ffn: Literal["unit", "sublayer"] = "unit"

    def measure(self, probe: Probe) -> Mapping[str, Tensor]:
        activations = WatchedUnits(probe.model, probe.parameters)
        totals: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=probe.evidence.device))
        counts: dict[str, int] = defaultdict(int)
        for loss in probe.losses():
            found = activations.take()
            # What the loss does not depend on, as an encoder that nothing looks at, has no importance.
            total = loss.mean * loss.target_tokens
            gradients = torch.autograd.grad(total, list(found.values()), materialize_grads=True)
            for (name, activation), gradient in zip(found.items(), gradients, strict=True):
                is_whole = self.ffn == "sublayer" and not name.endswith("_attn")
                width = activation.shape[-1] if is_whole else self.width(name)
                # Padding needs no mask: nothing attends to it, so its gradient is 0.
                products = (activation * gradient).unflatten(-1, (-1, width)).sum(dim=-1)
                if self.per == "example":
                    products = products.sum(dim=0)
                totals[name] = totals[name] + products.abs().flatten(0, -2).sum(dim=0)
                counts[name] += self._count(loss, name.split(".")[0])
        return {name: total / counts[name] for name, total in totals.items()}

    def _count(self, loss: Loss, stack: str) -> int:
        if self.per == "example":
            return loss.sentences
        return loss.source_tokens if stack == "encoder" else loss.target_tokens
