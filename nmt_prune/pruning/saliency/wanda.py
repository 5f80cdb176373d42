"""Weights and what goes through them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import PADDING_INDEX, Prunable
from nmt_prune.pruning.saliency import MeasuredSaliency, Probe, saliencies
from nmt_prune.pruning.saliency.channels import unfuse_attention
from nmt_prune.pruning.saliency.evidence import Loss


@saliencies.register("wanda")
@dataclass(frozen=True)
class Wanda(MeasuredSaliency):
    """|w| · ‖x‖₂, x the values of its input over all tokens (Sun et al. 2024).

    Tokens of padding are left out; the decoder reads under teacher forcing. The original ranks within each row, here
    the budget decides. An embedding that is tied to the output projection is scored as the latter; one that is only
    looked up has no input to measure: ``--prune-set body``.
    """

    ranks_vocabulary = False

    @torch.no_grad()
    def measure(self, probe: Probe) -> Mapping[str, Tensor]:
        inputs: dict[str, Tensor] = {}
        squares: dict[str, Tensor] = defaultdict(lambda: torch.zeros(()))
        unfuse_attention(probe.model)
        with _watched(probe.model, probe.masks.prunables, inputs):
            for loss in probe.losses():
                for name, states in inputs.items():
                    values = states[_real(name, states, loss)]
                    squares[name] = squares[name].to(values) + values.square().sum(dim=0)
                inputs.clear()
        return {name: probe.parameters[name].abs() * total.sqrt() for name, total in squares.items()}

    def score_model(self, weights: Mapping[Prunable, Tensor], alive: MaskSet) -> Mapping[str, Tensor]:
        return _Scores(self.measured(weights, alive))


class _Scores(dict[str, Tensor]):
    def __missing__(self, name: str) -> Tensor:
        raise PruneError(
            f"saliency wanda has no score for {name}, which is looked up and multiplies no input; give --prune-set body"
        )


@contextmanager
def _watched(model: nn.Module, prunables: Any, inputs: dict[str, Tensor]) -> Iterator[None]:
    """Keeps the input of each matrix in the last forward pass, by its canonical name."""

    def keeping(prunable: Prunable) -> Any:
        def keep(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            inputs[prunable.name] = given[0]

        return keep

    hooks = [
        module.register_forward_pre_hook(keeping(prunable))
        for prunable in prunables
        for name in prunable.names
        if isinstance(module := model.get_submodule(name.removesuffix(".weight")), nn.Linear)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _real(name: str, states: Tensor, loss: Loss) -> Tensor:
    """Which inputs of a matrix are those of real tokens, (time, batch), or (batch, time) for the output projection."""
    reads_source = name.startswith("encoder.layers.") or name.endswith(("attn.k_proj.weight", "attn.v_proj.weight"))
    reads_source &= "encoder_attn" in name or name.startswith("encoder.")
    real = (loss.source if reads_source else loss.previous) != PADDING_INDEX
    real = real.T if ".layers." in name else real
    if real.shape != states.shape[:2]:
        raise PruneError(
            f"saliency wanda: {name} reads {tuple(states.shape[:2])} tokens, and one side has {tuple(real.shape)}; take"
            " another saliency for this architecture"
        )
    return real
