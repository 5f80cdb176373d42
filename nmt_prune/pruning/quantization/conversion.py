"""From a trained checkpoint to a quantized one."""

import warnings
from typing import Any

import torch
from torch import Tensor

from nmt_prune.checkpoints import MASK_MODULE, Checkpoint
from nmt_prune.checkpoints.stock import as_masked, restarted
from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.pruning.quantization import FULL, Quantizer, quantizers
from nmt_prune.pruning.quantization.activations import Activations
from nmt_prune.pruning.quantization.quantized import Facts
from nmt_prune.pruning.saliency import Evidence


def quantize(checkpoint: Checkpoint, spec: str | None = None, evidence: Evidence | None = None) -> dict[str, Any]:
    """Puts the weights of a checkpoint on their grids.

    A checkpoint of a quantization-aware training becomes the model that was validated there. Any other one is
    calibrated: scales are those of its weights, ranges of activations are measured on ``evidence``.

    Args:
        checkpoint: a trained checkpoint, masked or stock, shrunk or not.
        spec: the quantizer; None: that of its training.
        evidence: a model of its architecture and training data.

    Returns:
        The state of a checkpoint, without optimizer state, whose model quantizes its activations by itself.

    Raises:
        PruneError: the checkpoint is quantized already, nothing says how, or ranges are needed and there is no data.
    """
    if Facts.of(checkpoint.state["model"]) is not None:
        raise PruneError(f"{checkpoint.path} is quantized already; quantize the checkpoint that it was made from")
    trained_with = _setting(checkpoint, "quantizer")
    spec = spec or trained_with
    if not spec:
        raise PruneError(f"{checkpoint.path} was not trained with a quantizer: say with --quantizer how to quantize it")
    quantizer = quantizers.build(spec)
    trained = checkpoint.state.get("task_state", {}).get("quantizer", {}) if spec == trained_with else {}
    if spec == trained_with and not trained:
        warnings.warn(
            f"{checkpoint.path} has lost the scales that its training with {spec} has measured, as what is made by"
            " nmt-prune shrink or average: they are taken from its weights",
            RuntimeWarning,
            stacklevel=2,
        )
    weights, facts = _on_grid(checkpoint, quantizer, trained.get("scales", {}))
    ranges: dict[str, Tensor] = {}
    if quantizer.activation_bits == FULL and evidence is not None:
        raise PruneError(f"--data does nothing here: {spec} leaves activations as they are; leave it out")
    if quantizer.activation_bits < FULL:
        ranges = trained.get("ranges", {}) if evidence is None else _measured(checkpoint, weights, quantizer, evidence)
        if not ranges:
            raise PruneError(
                f"{checkpoint.path}: ranges of activations are measured on training data: give --data, the folder that"
                " fairseq-preprocess made, or a quantizer with activation_bits=32"
            )
    facts = Facts(
        facts.bits, facts.scales, quantizer.activation_bits, {n: row[:2].clone() for n, row in ranges.items()}
    )
    masks = {key: value for key, value in checkpoint.state["model"].items() if key.startswith(f"{MASK_MODULE}.")}
    named = Checkpoint(checkpoint.path, {**checkpoint.state, **as_masked(checkpoint)})
    state = restarted(named, {**weights, **masks, **facts.entries()})
    validated = (checkpoint.state.get("extra_state") or {}).get("val_loss")
    if validated is not None and spec == trained_with and evidence is None:
        state["extra_state"]["val_loss"] = float(validated)
    return state


def _setting(checkpoint: Checkpoint, name: str) -> str | None:
    task = (checkpoint.state.get("cfg") or {}).get("task") or {}
    return task.get(name) if isinstance(task, dict) else getattr(task, name, None)


def _on_grid(
    checkpoint: Checkpoint, quantizer: Quantizer, scales: dict[str, Tensor]
) -> tuple[dict[str, Tensor], Facts]:
    """All entries of the state dict but masks, and the facts about its matrices."""
    weights, bits, used = checkpoint.model, {}, {}
    for prunable, weight in checkpoint.matrices.items():
        grid = quantizer.grid(prunable)
        if grid is None:
            continue
        used[prunable.name] = scales[prunable.name] if prunable.name in scales else grid.scale(weight)
        bits[prunable.name] = grid.bits
        quantized = grid.quantized(weight, used[prunable.name])
        weights.update(dict.fromkeys(prunable.names, quantized))
    return weights, Facts(bits, used)


def _measured(
    checkpoint: Checkpoint, weights: dict[str, Tensor], quantizer: Quantizer, evidence: Evidence
) -> dict[str, Tensor]:
    """Ranges of activations of the model with quantized weights, each mini-batch counting once."""
    held = evidence.holding(weights, str(checkpoint.path))
    probe = held.probe({}, MaskSet({}))
    chosen = {name for prunable in checkpoint.matrices if quantizer.grid(prunable) for name in prunable.names}
    activations = Activations(probe.model, chosen, quantizer.activation_bits)
    activations.observes = True
    with torch.no_grad():
        for _ in probe.losses():
            activations.update()
    return activations.ranges
