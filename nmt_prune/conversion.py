"""Checkpoints for stock fairseq, without the plugin."""

import re
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf
from torch import Tensor

from nmt_prune.checkpoints import FIRST_EPOCH, Checkpoint
from nmt_prune.errors import PruneError
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
