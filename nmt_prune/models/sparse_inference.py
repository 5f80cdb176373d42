"""Linear layers that skip the zeros of their weights when fairseq translates on a CPU."""

import logging
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

logger = logging.getLogger(__name__)

_DENSEST = 0.5


def pays(density: float, tokens: int, threads: int) -> bool:
    """Whether skipping zeros is faster than PyTorch's dense product.

    On a CPU with AVX-512 and one thread each, matrices of 512×512 to 10,000×512 break even at a density of 0.2 with a
    single token and above 0.5 with more. The sparse product runs on one thread, PyTorch's on all that it is given.

    Args:
        density: share of the weights that are not zero.
        tokens: vectors to be multiplied at once.
        threads: of PyTorch.
    """
    return density * threads <= (0.2 if tokens == 1 else _DENSEST)


class SkippingZeros:
    """The forward pass of a linear layer, sparse where that is possible and faster.

    It is dense in training, with gradients, in half precision, off the CPU, and once the weight has changed.

    Args:
        layer: the layer.
        matrix: its weight, compiled.
        density: share of the weights that are not zero.
    """

    def __init__(self, layer: nn.Linear, matrix: Any, density: float) -> None:
        self._layer, self._matrix, self._density = layer, matrix, density
        self._version = layer.weight._version

    def __call__(self, x: Tensor) -> Tensor:
        """Takes and returns what the layer does."""
        weight, bias = self._layer.weight, self._layer.bias
        tokens = x.numel() // x.shape[-1]
        is_possible = (
            _is_eligible(x)
            and _is_eligible(weight)
            and weight._version == self._version
            and tokens > 0
            and not torch.is_grad_enabled()
        )
        if not is_possible or not pays(self._density, tokens, torch.get_num_threads()):
            return nn.functional.linear(x, weight, bias)
        flat = x.reshape(tokens, x.shape[-1]).contiguous().numpy()
        found = self._matrix.multiply(flat, None if bias is None else bias.numpy())
        return torch.from_numpy(found).view(*x.shape[:-1], weight.shape[0])


def skip_zeros(model: nn.Module) -> int:
    """Lets the linear layers of a model that are sparse enough skip their zeros; the weights stay as they are.

    fairseq's attention computes its projections inside one function of PyTorch's, so it is told to call its linear
    layers instead; outputs agree up to rounding.

    Args:
        model: a model that is ready to translate, on its device and in its precision.

    Returns:
        Number of layers.
    """
    found = {layer: density for layer in model.modules() if (density := _density(layer)) <= _DENSEST}
    if not found:
        return 0
    try:
        # Neither mentioned nor loaded where it was not built.
        compiled = import_module("nmt_prune.runtime._engine").Matrix
    except ImportError as error:
        logger.info(f"zeros are computed like any weight: the compiled engine was not built ({error})")
        return 0
    for layer, density in found.items():
        assert isinstance(layer, nn.Linear)
        layer.forward = SkippingZeros(layer, _compile(compiled, layer.weight), density)  # type: ignore[assignment]
    for module in model.modules():
        if hasattr(module, "skip_embed_dim_check") and not found.keys().isdisjoint(module.children()):
            module.skip_embed_dim_check = True  # type: ignore[assignment]
    logger.info(f"{len(found)} linear layers skip zeros on one thread")
    return len(found)


def _is_eligible(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.dtype == torch.float32


def _density(module: nn.Module) -> float:
    """Share of a linear layer's weights that are not zero; 1 for what cannot be sparse."""
    if not isinstance(module, nn.Linear) or not _is_eligible(module.weight) or not module.weight.numel():
        return 1.0
    return int(torch.count_nonzero(module.weight)) / module.weight.numel()


def _compile(compiled: Any, weight: Tensor) -> Any:
    array = weight.detach().numpy()
    rows, columns = np.nonzero(array)
    starts = np.searchsorted(rows, np.arange(len(array) + 1)).astype(np.int64)
    return compiled.sparse(starts, columns.astype(np.uint32), array[rows, columns], None, array.shape)
