"""Random soft masks with a logit per weight."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.saliency import Probe
from nmt_prune.randomness import generator


class SoftMasks:
    """Logits p of the weights of a probe, and their random soft masks.

    Args:
        probe: the model, with its masks so far; its weights are overwritten in each forward pass.
        prunables: the matrices to mask.
        temperature: τ.
        seed: seed of the noise; the same on every data-parallel worker.
    """

    def __init__(self, probe: Probe, prunables: Sequence[Prunable], temperature: float, seed: int) -> None:
        self.prunables, self._probe, self._temperature = prunables, probe, temperature
        self._weights = {prunable.name: probe.parameters[prunable.name].detach().clone() for prunable in prunables}
        self.logits = {name: torch.zeros_like(weight).requires_grad_() for name, weight in self._weights.items()}
        self._exists = {
            prunable.name: probe.masks.candidates(prunable).to(probe.evidence.device) for prunable in prunables
        }
        self.count = sum(probe.masks.kept(prunable) for prunable in prunables)
        self._noise = torch.Generator(probe.evidence.device)
        self._noise.manual_seed(generator(seed, "oes noise").initial_seed())

    def draw(self) -> dict[str, Tensor]:
        """Soft masks with fresh noise, with their graph."""
        return {name: self._draw(logits) for name, logits in self.logits.items()}

    def _draw(self, logits: Tensor) -> Tensor:
        # In the open interval (0, 1), whatever the precision.
        uniform = torch.rand(logits.shape, generator=self._noise, device=logits.device, dtype=logits.dtype)
        uniform = uniform.clamp(torch.finfo(logits.dtype).tiny, 1 - torch.finfo(logits.dtype).eps)
        return torch.sigmoid((logits + torch.logit(uniform)) / self._temperature)

    def backward(self, batch: object) -> float:
        """Draws masks and adds the gradient of the loss on a mini-batch to that of the logits.

        Returns:
            The loss per target token.
        """
        masks = self.draw()
        self._put(masks)
        loss = self._probe.loss(batch).mean
        parameters = [self._probe.parameters[name] for name in masks]
        slopes = torch.autograd.grad(loss, parameters, materialize_grads=True)
        # The model's own weights were overwritten, as fairseq's attention reads them itself; so the chain rule goes on.
        for (name, mask), slope in zip(masks.items(), slopes, strict=True):
            mask.backward(slope * self._weights[name] * self._exists[name])
        return float(loss.detach())

    def divergence(self, prior: float) -> Tensor:
        """Mean over the weights that exist of KL(Ber(σ(p)) ‖ Ber(prior))."""
        total = torch.zeros((), device=self._probe.evidence.device)
        for name, logits in self.logits.items():
            total = total + divergence(logits, prior)[self._exists[name]].sum()
        return total / self.count

    def mean_probability(self) -> float:
        """Mean of σ(p) over the weights that exist."""
        kept = sum(float(logits.detach().sigmoid()[self._exists[name]].sum()) for name, logits in self.logits.items())
        return kept / self.count

    @torch.no_grad()
    def mean_loss(self) -> float:
        """The loss under soft masks, averaged over all target tokens, the noise drawn anew for each mini-batch."""
        total, tokens = 0.0, 0
        for batch in self._probe.batches():
            self._put(self.draw())
            loss = self._probe.loss(batch)
            total, tokens = total + float(loss.mean) * loss.target_tokens, tokens + loss.target_tokens
        return total / tokens

    @torch.no_grad()
    def _put(self, masks: Mapping[str, Tensor]) -> None:
        for name, mask in masks.items():
            # The padding row is no candidate and stays; weights that do not exist are zero.
            self._probe.parameters[name].copy_(
                torch.where(self._exists[name], mask, torch.ones_like(mask)) * self._weights[name]
            )


def divergence(logits: Tensor, prior: float) -> Tensor:
    """KL(Ber(σ(p)) ‖ Ber(prior)) for each logit p, in nats."""
    probability = logits.sigmoid()
    kept = functional.logsigmoid(logits) - math.log(prior)
    gone = functional.logsigmoid(-logits) - math.log1p(-prior)
    return probability * kept + (1 - probability) * gone
