"""Mean activation of attention heads and feed-forward units."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from nmt_prune.masks.prunable import PADDING_INDEX
from nmt_prune.pruning.saliency import Probe, saliencies
from nmt_prune.pruning.saliency.channels import ChannelSaliency, WatchedUnits


@saliencies.register("activation")
@dataclass(frozen=True)
class Activation(ChannelSaliency):
    """E |a| over tokens, a the context of a head or what a feed-forward unit puts out (Zhang, Colbert & Das 2022).

    The mean is over the tokens that the sublayer computes for, padding left out, the decoder's under teacher forcing;
    that of a head is also over its dimensions. The original keeps a running mean over training steps; here the
    calibration batches go through one network.

    Args:
        kind: ``mean`` of the absolute values, or the share of them that is ``nonzero`` (the original's "bernoulli";
            with ReLU, of feed-forward units alone, as the context of a head is hardly ever 0).
    """

    kind: Literal["mean", "nonzero"] = "mean"

    @torch.no_grad()
    def measure(self, probe: Probe) -> Mapping[str, Tensor]:
        activations = WatchedUnits(probe.model, probe.parameters)
        totals: dict[str, Tensor] = {}
        counts: dict[str, int] = defaultdict(int)
        for loss in probe.losses():
            for name, activation in activations.take().items():
                tokens = activation[(loss.symbols(name.split(".")[0]) != PADDING_INDEX).T]
                values = tokens.abs() if self.kind == "mean" else (tokens != 0).to(tokens.dtype)
                total = values.unflatten(-1, (-1, self.width(name))).mean(dim=-1).sum(dim=0)
                totals[name] = totals[name] + total if name in totals else total
                counts[name] += len(tokens)
        return {name: total / counts[name] for name, total in totals.items()}
