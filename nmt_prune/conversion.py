"""Checkpoints for stock fairseq, without the plugin."""

import re
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import Tensor

from nmt_prune.checkpoints import FIRST_EPOCH, QUANTIZATION_MODULE, Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.masks.statistics import largest_weight
from nmt_prune.own_dictionaries import recorded
from nmt_prune.structured.widths import is_shrunk


def strip(checkpoint: Checkpoint, keep_optimizer: bool = False) -> dict[str, Any]:
    """Turns a masked checkpoint into one of the stock ``transformer`` and ``translation``.

    Args:
        checkpoint: the checkpoint.
        keep_optimizer: keep the optimizer state and the counters, to train on (nothing holds the zeros then).

    Raises:
        PruneError: the checkpoint has no configuration, or layers of different widths.
    """
    if is_shrunk(checkpoint.model_settings):
        raise PruneError(
            f"{checkpoint.path} is shrunk: stock fairseq has no layers of different widths; use it with --user-dir, or"
            " strip the checkpoint that it was shrunk from"
        )
    stock = {"_name": "transformer", "arch": "transformer"}
    stripped = restarted(
        checkpoint, checkpoint.model, model=stock, task={"_name": "translation"}, common={"user_dir": None}
    )
    if keep_optimizer:
        kept = ("criterion", "optimizer_history", "extra_state", "last_optimizer_state")
        stripped.update({key: checkpoint.state.get(key) for key in kept})
    return stripped


def restarted(checkpoint: Checkpoint, weights: Mapping[str, Tensor], **changes: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint with other weights and settings, before its first update and without optimizer state.

    The configuration becomes plain dictionaries, so that any torch loads it with ``weights_only``.

    Args:
        checkpoint: the checkpoint.
        weights: the state dict of the new one.
        **changes: settings to change, by group of fairseq's configuration (``model``, ``task``, ``common``).

    Raises:
        PruneError: the checkpoint has no configuration.
    """
    cfg = checkpoint.state.get("cfg") or {}
    # Before 2021 fairseq stored one flat namespace instead of the configuration.
    flat = vars(checkpoint.state["args"]) if isinstance(checkpoint.state.get("args"), Namespace) else None
    model = _plain(flat if flat is not None else cfg.get("model"))
    task = _plain(flat if flat is not None else cfg.get("task"))
    if not isinstance(model, dict) or not isinstance(task, dict):
        raise PruneError(f"{checkpoint.path} has no model and task configuration; is it a checkpoint of fairseq-train?")
    settings = {**_plain(cfg), "model": model, "task": task}
    for group, changed in changes.items():
        settings[group] = {**settings.get(group, {}), **changed}
    return {
        "args": None,
        "cfg": settings,
        "model": dict(weights),
        "criterion": None,
        "optimizer_history": [_plain({**checkpoint.history, "lr_scheduler_state": {"best": None}})],
        "task_state": recorded(checkpoint),
        "extra_state": {"train_iterator": dict(FIRST_EPOCH)},
        "last_optimizer_state": None,
    }


def average(checkpoints: Sequence[Checkpoint], largest: float = 100.0) -> dict[str, Any]:
    """Averages the weights of checkpoints with the same masks.

    Args:
        checkpoints: at least one.
        largest: refuse if a weight is larger than this; Brix 2020 (section 5) could not average SLT models at high
            sparsity, whose weights exceed 100.

    Returns:
        The state of a checkpoint, everything but the weights from the last one.

    Raises:
        PruneError: the masks or the architectures differ (the average would have the union of their weights), or a
            weight is too large.
    """
    last = checkpoints[-1]
    if any(key.startswith(f"{QUANTIZATION_MODULE}.") for c in checkpoints for key in c.state["model"]):
        raise PruneError("quantized weights leave their grid when averaged; average first, then run nmt-prune quantize")
    sums: dict[str, Tensor] = {}
    for checkpoint in checkpoints:
        last.masks.check_matches(checkpoint.matrices, str(last.path))
        if checkpoint.masks != last.masks:
            raise PruneError(
                f"{checkpoint.path} and {last.path} have different masks; average only checkpoints saved after the last"
                " mask change"
            )
        _check_same_entries(checkpoint, last)
        found = largest_weight(checkpoint.matrices.values())
        if found > largest:
            raise PruneError(
                f"{checkpoint.path} has a weight of magnitude {found:.1f}, above {largest:g}, where averages are"
                " useless; use a single checkpoint or raise --largest"
            )
        for name, tensor in checkpoint.model.items():
            total = tensor.double() if tensor.is_floating_point() else tensor
            sums[name] = sums[name] + total if name in sums and tensor.is_floating_point() else total
    count = len(checkpoints)
    averaged = {
        name: (total / count).to(last.model[name].dtype) if total.dtype == torch.float64 else total
        for name, total in sums.items()
    }
    return {**last.state, "model": {**last.state["model"], **averaged}, "last_optimizer_state": None}


def _check_same_entries(one: Checkpoint, other: Checkpoint) -> None:
    shapes, others = ({name: tuple(tensor.shape) for name, tensor in c.model.items()} for c in (one, other))
    for name in sorted(shapes.keys() | others.keys()):
        if shapes.get(name) != others.get(name):
            raise PruneError(
                f"{one.path} and {other.path} are of different architectures: {name} is {shapes.get(name, 'missing')}"
                f" and {others.get(name, 'missing')}; average checkpoints of one training"
            )


def as_masked(checkpoint: Checkpoint) -> dict[str, Any]:
    """The ``args`` and ``cfg`` of a checkpoint, its architecture the masked one of its kind.

    A shrunk or masked architecture stays; any other becomes ``masked_transformer``, whose sizes the settings say.
    """
    args, cfg = checkpoint.state.get("args"), checkpoint.state.get("cfg")
    name = str(checkpoint.model_settings.get("arch") or checkpoint.model_settings.get("_name"))
    if re.match("(masked|shrunk)_transformer", name):
        return {"args": args, "cfg": cfg}
    named = {"_name": "masked_transformer", "arch": "masked_transformer"}
    if args is not None:
        return {"args": Namespace(**{**vars(args), **named}), "cfg": cfg}
    if not cfg:
        return {"args": args, "cfg": cfg}
    settings = _plain(cfg)
    return {"args": None, "cfg": {**settings, "model": {**settings.get("model", {}), **named}}}


def _plain(value: Any) -> Any:
    """The same configuration in dictionaries, lists and plain values."""
    if isinstance(value, Namespace):
        return _plain(vars(value))
    if OmegaConf.is_config(value):
        return _plain(OmegaConf.to_container(value))
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
