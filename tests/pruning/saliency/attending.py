"""Attention and feed-forward sublayers worked out by hand for one sentence, without padding."""

import torch
from torch import Tensor, nn

from tests.pruning.saliency.measuring import HEAD_DIM, batch, cross_entropy

WIDTH = HEAD_DIM["encoder"]


def inputs(network: nn.Module, sentence: tuple[list[int], list[int]], module: str) -> list[Tensor]:
    """What goes into a module: the states that attend and those attended to, or what fc1 reads, (time, dimension)."""
    found: list[Tensor] = []

    def keep(_, positional, named):
        found.extend([*positional, *(named[key] for key in ("query", "key") if key in named)])

    hook = network.get_submodule(module).register_forward_pre_hook(keep, with_kwargs=True)
    network.eval()
    with torch.no_grad():
        cross_entropy(network, batch([sentence]))
    hook.remove()
    return [states[:, 0] for states in found]


def attend(network: nn.Module, sentence: tuple[list[int], list[int]], block: str) -> tuple[Tensor, Tensor]:
    """Attention (heads, queries, keys) and contexts (heads, queries, width) of one sentence."""
    queries, keys = inputs(network, sentence, block)
    module = network.get_submodule(block)

    def projected(matrix: str, states: Tensor) -> Tensor:
        part = module.get_submodule(matrix)
        return (states @ part.weight.T + part.bias).view(len(states), -1, WIDTH).transpose(0, 1)

    with torch.no_grad():
        query, key, value = (
            projected(f"{name}_proj", states) for name, states in zip("qkv", (queries, keys, keys), strict=True)
        )
        scores = query @ key.transpose(1, 2) / WIDTH**0.5
        if block.startswith("decoder") and block.endswith("self_attn"):
            scores += torch.full(scores.shape[1:], -torch.inf, dtype=scores.dtype).triu(1)
        attention = scores.exp() / scores.exp().sum(dim=-1, keepdim=True)
    return attention, attention @ value


def units(network: nn.Module, sentence: tuple[list[int], list[int]], layer: str) -> Tensor:
    """What the feed-forward units of a layer put out for one sentence: (time, units)."""
    (states,) = inputs(network, sentence, f"{layer}.fc1")
    fc1 = network.get_submodule(f"{layer}.fc1")
    with torch.no_grad():
        return (states @ fc1.weight.T + fc1.bias).clamp(min=0)
