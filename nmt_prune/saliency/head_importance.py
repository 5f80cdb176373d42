"""Expected importance of attention heads and feed-forward units."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.saliency import MeasuredSaliency, Probe, saliencies
from nmt_prune.saliency.evidence import Loss


@saliencies.register("head-importance")
@dataclass(frozen=True)
class HeadImportance(MeasuredSaliency):
    """E |aᵀ ∂L/∂a|, a the output of a head or of a feed-forward unit: the loss by a gate on it (Michel 2019).

    L is the summed loss of a sentence. All weights of a head (its four slices) or unit (row of fc1, column of fc2) get
    the same score, scaled so that the reduction ``norm`` of ``--group head`` or ``unit`` gives back the expectation.
    Prasanna's code sums gradients over mini-batches before it takes absolute values; here each has its own.

    Args:
        per: absolute values are taken for each ``example`` (Michel's paper, Prasanna's formula) or for each ``token``
            that attends (Michel's code), padding left out.
        ffn: feed-forward sublayers have a gate on each ``unit``, or one on the whole ``sublayer`` but its output bias,
            which no mask removes (Prasanna 2020; for ``--group sublayer``).
        head_dim: width of an attention head by stack.
    """

    per: Literal["example", "token"] = "example"
    ffn: Literal["unit", "sublayer"] = "unit"
    head_dim: Mapping[str, int] = field(default_factory=dict, kw_only=True)

    def score_model(self, weights: Mapping[Prunable, Tensor], alive: MaskSet) -> Mapping[str, Tensor]:
        importance = super().score_model(weights, alive)
        sizes: dict[str, int] = defaultdict(int)
        for prunable in weights:
            sizes[_sublayer(prunable.name)] += prunable.shape[0] * prunable.shape[1]
        scores = {}
        for prunable in filter(lambda prunable: prunable.in_body, weights):
            sublayer = _sublayer(prunable.name)
            per_group = importance[sublayer]
            per_group = per_group / (sizes[sublayer] / len(per_group)) ** 0.5
            is_output = prunable.matrix in ("out_proj", "fc2")
            across = per_group.repeat_interleave(prunable.shape[is_output] // len(per_group))
            scores[prunable.name] = (across[None, :] if is_output else across[:, None]).expand(prunable.shape)
        return _Grouped(scores)

    def measure(self, probe: Probe) -> Mapping[str, Tensor]:
        """The importance of each head or unit, by sublayer."""
        activations = _Activations(probe.model, probe.parameters)
        totals: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=probe.evidence.device))
        counts: dict[str, int] = defaultdict(int)
        for loss in probe.losses():
            found = activations.take()
            gradients = torch.autograd.grad(loss.mean * loss.target_tokens, list(found.values()))
            for (name, activation), gradient in zip(found.items(), gradients, strict=True):
                stack = name.split(".")[0]
                size = self._group_size(name, activation.shape[-1])
                # Padding needs no mask: nothing attends to it, so its gradient is 0.
                products = (activation * gradient).unflatten(-1, (-1, size)).sum(dim=-1)
                if self.per == "example":
                    products = products.sum(dim=0)
                totals[name] = totals[name] + products.abs().flatten(0, -2).sum(dim=0)
                counts[name] += self._count(loss, stack)
        return {name: total / counts[name] for name, total in totals.items()}

    def _group_size(self, sublayer: str, width: int) -> int:
        if sublayer.endswith("_attn"):
            return self.head_dim[sublayer.split(".")[0]]
        return 1 if self.ffn == "unit" else width

    def _count(self, loss: Loss, stack: str) -> int:
        if self.per == "example":
            return loss.sentences
        return loss.source_tokens if stack == "encoder" else loss.target_tokens


class _Grouped(dict[str, Tensor]):
    def __missing__(self, name: str) -> Tensor:
        raise PruneError(
            f"saliency head-importance has no score for {name}: it ranks heads and feed-forward units; give --group"
            " head or unit, or --prune-set body"
        )


class _Activations:
    """What heads and feed-forward units put out at each forward pass: (time, batch, width) by sublayer."""

    def __init__(self, model: nn.Module, matrices: Iterable[str]) -> None:
        self._found: dict[str, Tensor] = {}
        # fairseq's attention hands the output projection to a fused function and never calls it, but for this switch.
        for module in model.modules():
            if hasattr(module, "skip_embed_dim_check"):
                setattr(module, "skip_embed_dim_check", True)  # noqa: B010
        for name in matrices:
            if name.endswith(("out_proj.weight", "fc2.weight")):
                self._watch(model.get_submodule(name.removesuffix(".weight")), _sublayer(name))

    def _watch(self, module: nn.Module, sublayer: str) -> None:
        def keep(_: nn.Module, inputs: tuple[Any, ...]) -> None:
            self._found[sublayer] = inputs[0]

        module.register_forward_pre_hook(keep)

    def take(self) -> dict[str, Tensor]:
        """The activations of the last forward pass."""
        found, self._found = self._found, {}
        return found


def _sublayer(name: str) -> str:
    """``encoder.layers.0.self_attn`` of each of its matrices, ``encoder.layers.0`` of those of the feed-forward one."""
    return name.rsplit(".", 2)[0]
