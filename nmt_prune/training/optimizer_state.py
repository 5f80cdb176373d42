"""Everything of an optimizer that mirrors a parameter: fp32 master copies and moments.

After a mask change these have to be zeroed too, or momentum and the master copy bring pruned weights back to life
(with Adam all of them within five steps). Works on fairseq's wrappers by their shape, without importing fairseq.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn


def gradients(optimizer: Any, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    """The gradients that the optimizer is about to step with, in fp32 and without the loss scale.

    Args:
        optimizer: a fairseq optimizer or wrapper.
        parameters: parameters that it trains; one without a gradient gets zeros.
    """
    # fairseq's half-precision wrappers divide by the loss scale, and clip, only when they step.
    factor = getattr(optimizer, "_multiply_factor", 1.0)
    return [
        torch.zeros_like(parameter, dtype=torch.float32) if parameter.grad is None else parameter.grad.float() * factor
        for parameter in parameters
    ]


def final_gradients(optimizer: Any, parameters: Sequence[nn.Parameter]) -> list[Tensor | None]:
    """The tensors that the optimizer reads the gradients from when it steps, to be changed in place.

    With ``--fp16`` these belong to the master copies, which have theirs from the moment that gradients are clipped.

    Args:
        optimizer: a fairseq optimizer or wrapper.
        parameters: parameters that it trains; one without a gradient gets None.
    """
    owned = getattr(optimizer, "fp16_params", None)
    if owned is None:
        return [parameter.grad for parameter in parameters]
    views = {id(parameter): view for parameter, view in _views(owned, _gradients_of(optimizer.fp32_params))}
    return [views[id(parameter)] for parameter in parameters]


def masters(optimizer: Any, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    """The fp32 master copy of each parameter: a view into it for ``--fp16``, the parameter itself where there is none.

    Args:
        optimizer: a fairseq optimizer or wrapper (FP16Optimizer, MemoryEfficientFP16Optimizer, AMPOptimizer).
        parameters: parameters that the optimizer trains, possibly a subset.
    """
    owned = getattr(optimizer, "fp16_params", None)
    if owned is None:
        return [parameter.data for parameter in parameters]
    views = {id(parameter): view for parameter, view in _views(owned, optimizer.fp32_params)}
    return [views[id(parameter)] for parameter in parameters]


def moments(optimizer: Any, parameters: Sequence[nn.Parameter]) -> list[dict[str, Tensor]]:
    """For each parameter the optimizer state of the same size by its name, e.g. Adam's ``exp_avg`` and ``exp_avg_sq``.

    State of another size (step counters, Adafactor's row and column averages) describes no single weight and is left.
    """
    state = getattr(optimizer, "optimizer", optimizer).state  # fairseq's wrap one of torch's
    owned = getattr(optimizer, "fp16_params", None)
    if owned is None:
        return [_same_size(state.get(parameter, {}), parameter) for parameter in parameters]
    masters_of = optimizer.fp32_params
    found: dict[int, dict[str, Tensor]] = {id(parameter): {} for parameter in owned}
    if isinstance(masters_of, dict):
        for flat in masters_of.values():
            for key, moment in _same_size(state.get(flat, {}), flat).items():
                for parameter, view in _flat_views(owned, moment):
                    found[id(parameter)][key] = view
    else:
        for parameter, master in zip(owned, masters_of, strict=True):
            found[id(parameter)] = _same_size(state.get(master, {}), master)
    return [found[id(parameter)] for parameter in parameters]


def _same_size(state: dict[str, Any], tensor: Tensor) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if isinstance(value, Tensor) and value.shape == tensor.shape}


def _gradients_of(copies: Any) -> Any:
    if isinstance(copies, dict):
        return {device: flat.grad for device, flat in copies.items()}
    return [copy.grad for copy in copies]


def _views(owned: Sequence[nn.Parameter], copies: Any) -> Iterator[tuple[nn.Parameter, Tensor]]:
    if isinstance(copies, dict):  # one flat tensor per device
        for flat in copies.values():
            yield from _flat_views(owned, flat.data)
    else:
        for parameter, copy in zip(owned, copies, strict=True):
            yield parameter, copy.data


def _flat_views(owned: Sequence[nn.Parameter], flat: Tensor) -> Iterator[tuple[nn.Parameter, Tensor]]:
    offset = 0
    for parameter in owned:
        yield parameter, flat[offset : offset + parameter.numel()].view_as(parameter)
        offset += parameter.numel()
