"""Removing dead heads and feed-forward units from the tensors of one sublayer."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Removable:
    """The tensors of one sublayer; a unit is a head (``channels`` = its width) or a feed-forward unit (1).

    Attributes:
        inputs: projections to the units: q, k and v, or fc1; the last one gives the values.
        output: projection from the units: out_proj or fc2.
        channels: rows of an input projection, and columns of the output projection, that make a unit.
        function: what a constant value becomes before the output projection: itself in attention, whose weights sum to
            1, or the activation function. None if it is not known.
        norm: layer norm in front of the sublayer, which goes with it; None in a post-norm model.
    """

    inputs: tuple[str, ...]
    output: str
    channels: int
    function: Callable[[Tensor], Tensor] | None
    norm: str | None


def remove_dead_units(weights: dict[str, Tensor], masks: dict[str, Tensor], sublayer: Removable) -> tuple[int, int]:
    """Removes, in place, the units that pass nothing on or only a constant, which moves to the output bias.

    A unit whose weights in v_proj or fc1 are all masked still passes function(its bias) on through the output
    projection: the same vector at every position. Adding it to the output bias is exact where the attention weights of
    a query sum to 1: always in evaluation, since no source is without a token. In training, attention or activation
    dropout would put noise on that vector, which is gone.

    Of a sublayer that loses all its units only the output bias is left.

    Args:
        weights: the model's tensors by state-dict key.
        masks: masks of the matrices by state-dict key.
        sublayer: the sublayer.

    Returns:
        Number of units before and after.
    """
    values, output, bias = sublayer.inputs[-1], f"{sublayer.output}.weight", f"{sublayer.output}.bias"
    if output not in weights:
        return 0, 0
    passes = masks[output].any(dim=0)
    if sublayer.function is not None:
        passes = passes & masks[f"{values}.weight"].any(dim=1)
    alive = passes.view(-1, sublayer.channels).any(dim=1)
    keep = alive.repeat_interleave(sublayer.channels)
    if sublayer.function is not None:
        constant = sublayer.function(weights[f"{values}.bias"][~keep].double())
        folded = weights[bias].double() + weights[output][:, ~keep].double() @ constant
        weights[bias] = folded.to(weights[bias].dtype)
    parts = [f"{matrix}.{part}" for matrix in sublayer.inputs for part in ("weight", "bias")]
    for tensors in (weights, masks):
        for name in tensors.keys() & parts:
            tensors[name] = tensors[name][keep]
        tensors[output] = tensors[output][:, keep]
        if not keep.any():
            for name in tensors.keys() & {*parts, output, f"{sublayer.norm}.weight", f"{sublayer.norm}.bias"}:
                del tensors[name]
    return len(alive), int(torch.count_nonzero(alive))
