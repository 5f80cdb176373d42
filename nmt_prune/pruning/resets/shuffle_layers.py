"""The weights of other layers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.pruning.resets import Reset, resets
from nmt_prune.randomness import generator

_LAYER = re.compile(r"(?P<stack>encoder|decoder)\.layers\.(?P<layer>\d+)\.(?P<rest>.+)")


@resets.register("shuffle-layers")
@dataclass(frozen=True)
class ShuffleLayers(Reset):
    """The rewind point with whole layers permuted within each stack, biases and layer norms too; masks stay in place.

    The "shuffled" control of Chen et al. 2020 as their script has it (the other one, ``shuffle``, permutes the values
    within a matrix). Their permutation may leave layers in place, all of them where there are two; this one is a cycle,
    so that none stays.
    """

    def base(self, trained: Mapping[str, Tensor], rewind_point: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        places = {stack: self._cycle(stack, rewind_point) for stack in ("encoder", "decoder")}
        moved = dict(rewind_point)
        for name in rewind_point:
            if match := _LAYER.fullmatch(name):
                other = places[match["stack"]][int(match["layer"])]
                source = f"{match['stack']}.layers.{other}.{match['rest']}"
                if source not in rewind_point or rewind_point[source].shape != rewind_point[name].shape:
                    raise PruneError(f"shuffle-layers: {name} and {source} differ in shape; use the reset shuffle")
                moved[name] = rewind_point[source]
        return moved

    def _cycle(self, stack: str, model: Mapping[str, Tensor]) -> dict[int, int]:
        """Which layer each one gets its weights from: a random cycle through all of them."""
        found = {int(match["layer"]) for name in model if (match := _LAYER.fullmatch(name)) and match["stack"] == stack}
        if len(found) == 1:
            raise PruneError(f"shuffle-layers: the {stack} has only one layer; use the reset shuffle")
        layers = sorted(found)
        order = torch.randperm(len(layers), generator=generator(self.seed, "shuffled layers", stack)).tolist()
        return {layers[here]: layers[there] for here, there in zip(order, order[1:] + order[:1], strict=True)}
