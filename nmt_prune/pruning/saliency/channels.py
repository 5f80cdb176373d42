"""What saliencies of attention heads and feed-forward units have in common."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.saliency import MeasuredSaliency


@dataclass(frozen=True)
class ChannelSaliency(MeasuredSaliency):
    """A measured saliency of whole heads (four slices) and feed-forward units (row of fc1, column of fc2).

    ``measure`` gives the importance of each head or unit by sublayer. All weights of a head or unit get the same score,
    scaled by how many of them exist, so that the reduction ``norm`` of ``--group head``, ``unit`` or ``channel`` gives
    back the importance, however sparse the model is already.

    Args:
        head_dim: width of an attention head by stack.
    """

    ranks: ClassVar[str] = "heads and feed-forward units; give --group head or unit, or --prune-set body"

    head_dim: Mapping[str, int] = field(default_factory=dict, kw_only=True)

    def score_model(self, weights: Mapping[Prunable, Tensor], alive: MaskSet) -> Mapping[str, Tensor]:
        importance = self.measured(weights, alive)
        ranked = [p for p in weights if p.in_body and sublayer(p.name) in importance]
        existing = {name: torch.zeros(len(found), device=found.device) for name, found in importance.items()}
        for prunable in ranked:
            name = sublayer(prunable.name)
            counts = alive[prunable.name].to(importance[name].device).sum(dim=0 if _is_output(prunable) else 1)
            existing[name] += counts.view(len(existing[name]), -1).sum(dim=1)
        scores = {}
        for prunable in ranked:
            name = sublayer(prunable.name)
            per_weight = importance[name] / existing[name].to(importance[name]).clamp(min=1).sqrt()
            across = per_weight.repeat_interleave(prunable.shape[_is_output(prunable)] // len(per_weight))
            scores[prunable.name] = (across[None, :] if _is_output(prunable) else across[:, None]).expand(
                prunable.shape
            )
        return _Scores(scores, self)

    def width(self, name: str) -> int:
        """Width of what is ranked in a sublayer: a head, or a single unit."""
        return self.head_dim[name.split(".")[0]] if name.endswith("_attn") else 1


def _is_output(prunable: Prunable) -> bool:
    """Whether the columns of a matrix, and not its rows, belong to heads or units."""
    return prunable.matrix in ("out_proj", "fc2")


class _Scores(dict[str, Tensor]):
    def __init__(self, scores: Mapping[str, Tensor], saliency: ChannelSaliency) -> None:
        super().__init__(scores)
        self._saliency = saliency

    def __missing__(self, name: str) -> Tensor:
        saliency = self._saliency
        raise PruneError(f"saliency {saliency.name} has no score for {name}: it ranks {saliency.ranks}")


class WatchedUnits:
    """What heads and feed-forward units put out at each forward pass: (time, batch, width) by sublayer.

    Args:
        model: the model to watch.
        matrices: names of its matrices.
    """

    def __init__(self, model: nn.Module, matrices: Iterable[str]) -> None:
        self._found: dict[str, Tensor] = {}
        unfuse_attention(model)
        for name in matrices:
            if name.endswith(("out_proj.weight", "fc2.weight")):
                self._watch(model.get_submodule(name.removesuffix(".weight")), sublayer(name))

    def _watch(self, module: nn.Module, name: str) -> None:
        def keep(_: nn.Module, inputs: tuple[Any, ...]) -> None:
            self._found[name] = inputs[0]

        module.register_forward_pre_hook(keep)

    def take(self) -> dict[str, Tensor]:
        """The activations of the last forward pass."""
        found, self._found = self._found, {}
        return found


def unfuse_attention(model: nn.Module) -> None:
    """Makes fairseq's attention compute step by step.

    By default it hands the output projection to a fused function and never calls it.
    """
    for module in model.modules():
        if hasattr(module, "skip_embed_dim_check"):
            setattr(module, "skip_embed_dim_check", True)  # noqa: B010


def sublayer(name: str) -> str:
    """``encoder.layers.0.self_attn`` of each of its matrices, ``encoder.layers.0`` of those of the feed-forward one."""
    return name.rsplit(".", 2)[0]
