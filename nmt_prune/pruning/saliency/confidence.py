"""Confidence of attention heads."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nmt_prune.masks.prunable import EOS_INDEX, PADDING_INDEX
from nmt_prune.pruning.saliency import Probe, saliencies
from nmt_prune.pruning.saliency.channels import ChannelSaliency, sublayer, unfuse_attention


@saliencies.register("confidence")
@dataclass(frozen=True)
class Confidence(ChannelSaliency):
    """E max_k α_k over tokens, α what a head attends with (Voita et al. 2019, Behnke & Heafield 2020).

    Padding and end-of-sentence symbols count neither among the tokens nor among what is attended to. In the decoder the
    latter is the symbol that its input begins with in fairseq.
    """

    ranks: ClassVar[str] = "heads; give --group head"

    @torch.no_grad()
    def measure(self, probe: Probe) -> Mapping[str, Tensor]:
        attention = _Attention(probe.model, probe.parameters)
        totals: dict[str, Tensor] = {}
        counts: dict[str, int] = defaultdict(int)
        for loss in probe.losses():
            for name, weights in attention.take().items():
                stack = name.split(".")[0]
                queries = _is_word(loss.symbols(stack))
                attended = [loss.symbols("encoder" if name.endswith("encoder_attn") else stack)]
                if weights.shape[-1] > attended[0].shape[1]:  # --cross-self-attention: the source first
                    attended = [loss.source, *attended]
                keys = _is_word(torch.cat(attended, dim=1))
                best = weights.masked_fill(~keys[None, :, None, :], 0.0).amax(dim=-1)
                total = best.masked_fill(~queries, 0.0).sum(dim=(1, 2))
                totals[name] = totals[name] + total if name in totals else total
                counts[name] += int(queries.sum())
        return {name: total / max(counts[name], 1) for name, total in totals.items()}


def _is_word(symbols: Tensor) -> Tensor:
    return (symbols != PADDING_INDEX) & (symbols != EOS_INDEX)


class _Attention:
    """What each head attends with at each forward pass: (heads, batch, queries, keys) by sublayer."""

    def __init__(self, model: nn.Module, matrices: Mapping[str, Any]) -> None:
        self._found: dict[str, Tensor] = {}
        unfuse_attention(model)
        for name in {sublayer(matrix) for matrix in matrices if "_attn." in matrix}:
            self._watch(model.get_submodule(name), name)

    def _watch(self, module: nn.Module, name: str) -> None:
        def ask(_: nn.Module, inputs: tuple[Any, ...], flags: dict[str, Any]) -> tuple[Any, ...]:
            return inputs, {**flags, "need_weights": True, "need_head_weights": True}

        def keep(_: nn.Module, __: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
            self._found[name] = output[1]

        module.register_forward_pre_hook(ask, with_kwargs=True)
        module.register_forward_hook(keep)

    def take(self) -> dict[str, Tensor]:
        """What was found at the last forward pass."""
        found, self._found = self._found, {}
        return found
