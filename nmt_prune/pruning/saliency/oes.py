"""Masks that are learned on frozen weights."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.saliency import MeasuredSaliency, Probe, Saliency, saliencies
from nmt_prune.pruning.saliency.soft_masks import SoftMasks
from nmt_prune.randomness import generator

logger = logging.getLogger(__name__)


@saliencies.register("oes")
@dataclass(frozen=True)
class OptimalEyeSurgeon(MeasuredSaliency):
    """p, the logit of keeping a weight, learned with all weights frozen (Optimal Eye Surgeon, Ghosh et al. 2024).

    Adam minimises, over the calibration batches in turn, the mean token cross-entropy of the weights under soft masks
    m = σ((p + g) / τ), g logistic noise (the difference of two Gumbels), plus ``strength`` times the mean over weights
    of KL(Ber(σ(p)) ‖ Ber(density)). The original sums that term and weights it by 1e-9; a mean means the same for
    models of every size. Biases and layer norms have no mask, a tied embedding has one.

    Equal logits, such as those of words that the batches lack, are told apart at random: to each score a random number
    is added that is smaller than a hundredth of a step of Adam. In groups the score is the probability σ(p).

    The original takes 60,000 steps of 0.01; the defaults cover the sixth part of that distance in 1000 steps of 0.1.
    After as many of 0.01 the mask of fresh weights has learned little more than which words are frequent, and the
    trained model is worse than under a random mask: ``supermask_loss`` should lie well below the entropy of single
    words. ``strength`` changes little.

    Args:
        steps: steps of Adam, each on one mini-batch.
        lr: learning rate of Adam.
        temperature: τ, how far masks are from 0 and 1.
        strength: weight of the divergence from the target density.
        grouped: whether weights are scored as members of groups.
        prunables: the matrices to learn masks for; None: all.
        density: the share of their weights that is to survive.

    Raises:
        PruneError: a setting is out of its range.
    """

    steps: int = 1000
    lr: float = 0.1
    temperature: float = 0.2
    strength: float = 1.0
    grouped: bool = field(default=False, kw_only=True)
    prunables: Sequence[Prunable] | None = field(default=None, kw_only=True)
    density: float = field(default=0.5, kw_only=True)

    def __post_init__(self) -> None:
        for name, value in (("steps", self.steps), ("lr", self.lr), ("temperature", self.temperature)):
            if not value > 0:
                raise PruneError(f"saliency oes: {name}={value:g} must be above 0")
        if not self.strength >= 0:
            raise PruneError(f"saliency oes: strength={self.strength:g} must be at least 0")

    def aimed(self, prunables: Sequence[Prunable], density: float) -> Saliency:
        return replace(self, prunables=tuple(prunables), density=density)

    def measure(self, probe: Probe) -> Mapping[str, Tensor]:
        masks = SoftMasks(probe, self._learned(probe), self.temperature, self.seed)
        optimizer = torch.optim.Adam(masks.logits.values(), lr=self.lr, eps=1e-16)  # gradients are as small as 1 / N
        batches, report = probe.batches(), max(1, self.steps // 10)
        prior = self._prior(masks)
        for step in range(self.steps):
            loss = masks.backward(batches[step % len(batches)])
            divergence = masks.divergence(prior)
            (self.strength * divergence).backward()
            optimizer.step()
            optimizer.zero_grad()
            if (step + 1) % report == 0:
                apart = float(divergence.detach())
                logger.info(
                    f"oes: step {step + 1} of {self.steps}, loss {loss:.4f}, divergence {apart:.4f},"
                    f" mean probability {masks.mean_probability():.4f}"
                )
        scores = {name: torch.zeros_like(weight) for name, weight in probe.parameters.items()}
        for name, logits in masks.logits.items():
            noise = torch.rand(logits.shape, generator=generator(self.seed, "oes ties", name)) * (self.lr / 100)
            score = logits.detach() + noise.to(logits)
            scores[name] = score.sigmoid() if self.grouped else score
        return scores

    def findings(
        self, scores: Mapping[str, Tensor], weights: Mapping[Prunable, Tensor], alive: MaskSet, found: MaskSet
    ) -> Mapping[str, float]:
        """The loss of the untrained supermask, that under the soft masks, and how much worse the supermask is."""
        assert self.evidence is not None
        hard = self.evidence.probe(weights, found).mean_loss()
        probe = self.evidence.probe(weights, alive)
        masks = SoftMasks(probe, self._learned(probe), self.temperature, self.seed)
        for name, logits in masks.logits.items():
            score = scores[name].to(logits)
            logits.data.copy_(torch.logit(score) if self.grouped else score)
        soft = masks.mean_loss()
        logger.info(f"oes: loss {hard:.4f} of the supermask, {soft:.4f} under soft masks, gap {hard - soft:.4f}")
        return {"supermask_loss": hard, "soft_mask_loss": soft, "supermask_gap": hard - soft}

    def _learned(self, probe: Probe) -> list[Prunable]:
        chosen = probe.masks.prunables if self.prunables is None else self.prunables
        return [prunable for prunable in chosen if probe.masks.kept(prunable)]

    def _prior(self, masks: SoftMasks) -> float:
        """The density among the weights that exist."""
        size = sum(prunable.size for prunable in masks.prunables)
        return min(max(self.density * size / masks.count, 1e-6), 1 - 1e-6)
