"""A small real model and sentence pairs to measure it on, in float64."""

from typing import Any

import torch
from torch import Tensor, nn

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable, prunable_parameters
from nmt_prune.pruning.saliency.evidence import Evidence, Loss
from tests.tiny_model import tiny_model

PADDING = 1
HEAD_DIM = {"encoder": 4, "decoder": 4}
# Source and target without padding; two mini-batches.
SENTENCES = [([5, 6, 7, 2], [8, 9, 10, 2]), ([11, 2], [12, 13, 2]), ([6, 5, 9, 8, 2], [14, 2]), ([7, 12, 2], [5, 6, 2])]


def model(seed: int = 0, **flags: Any) -> nn.Module:
    """Two layers of four heads of width 4; weights large enough for attention to matter."""
    torch.manual_seed(seed)
    sizes = {"encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4}
    built = tiny_model(**{**sizes, **flags}).double()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return built


def batch(pairs: list[tuple[list[int], list[int]]], extra: int = 0) -> dict[str, Tensor]:
    """Sentences padded as fairseq does (sources left, targets right), by ``extra`` more symbols than needed."""
    width = extra + max(len(source) for source, _ in pairs)
    length = extra + max(len(target) for _, target in pairs)
    return {
        "source": torch.tensor([[PADDING] * (width - len(source)) + source for source, _ in pairs]),
        "target": torch.tensor([target + [PADDING] * (length - len(target)) for _, target in pairs]),
    }


def cross_entropy(model: nn.Module, batch: dict[str, Tensor], temperature: float = 1.0) -> Loss:
    source, target = batch["source"], batch["target"]
    previous = torch.cat([torch.full_like(target[:, :1], 2), target[:, :-1]], dim=1)
    lengths = (source != PADDING).sum(dim=1)
    logits, _ = model(source, lengths, previous)
    flat = (logits / temperature).flatten(0, 1)
    mean = nn.functional.cross_entropy(flat, target.flatten(), ignore_index=PADDING)
    return Loss(mean, source, previous.masked_fill(target == PADDING, PADDING))


def evidence(model: nn.Module, batches: list[dict[str, Tensor]] | None = None) -> Evidence:
    chosen = [batch(SENTENCES[:2]), batch(SENTENCES[2:])] if batches is None else batches
    return Evidence(model, lambda: chosen, cross_entropy, dtype=torch.float64)


def weights_and_masks(model: nn.Module) -> tuple[dict[Prunable, Tensor], MaskSet]:
    weights = {prunable: parameter.detach() for prunable, parameter in prunable_parameters(model).items()}
    return weights, MaskSet.dense(weights)


def mean_loss(model: nn.Module, temperature: float = 1.0) -> float:
    """The loss averaged over the mini-batches, by itself."""
    model.eval()
    with torch.no_grad():
        losses = [cross_entropy(model, each, temperature).mean for each in evidence(model).batches()]
    return float(torch.stack(losses).mean())
