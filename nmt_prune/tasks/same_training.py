"""A training that has begun in its save folder: what cannot be another when it goes on."""

from collections.abc import Mapping
from typing import Any

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.tasks.config import TranslationPruningConfig


def refuse_other_flags(cfg: TranslationPruningConfig, begun: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuses to go on with a training by other flags than it began with.

    Args:
        cfg: the task's flags.
        begun: the flags that decided the start, as the checkpoint has them.
        now: the same as they are given now.

    Raises:
        PruneError: one of them differs.
    """
    for name, value in now.items():
        if not _is_same(_began(begun, name), value):
            raise PruneError(
                f"{cfg.save_dir} holds a training that began with {_shown(name, _began(begun, name))}, not"
                f" {_shown(name, value)}: give that again, or another --save-dir"
            )


def refuse_lost_optimizer(last: Checkpoint) -> None:
    """Refuses to go on from a checkpoint without optimizer state: it would be another training, under the same name.

    Raises:
        PruneError: updates have been done, and there is none.
    """
    if last.num_updates > 0 and not last.has_optimizer:
        raise PruneError(
            f"{last.path} was saved at update {last.num_updates} without an optimizer state"
            " (--no-save-optimizer-state): updates would count from 0 again; remove it to train anew, or give it with"
            " --finetune-from-model and another --save-dir"
        )


def refuse_counting_anew(cfg: TranslationPruningConfig, own: Checkpoint) -> None:
    """Refuses to begin a training anew in its own folder, over its rewind points.

    Args:
        cfg: the task's flags.
        own: the checkpoint of the save folder that training is about to begin with.

    Raises:
        PruneError: the flags ask for it.
    """
    if cfg.reset_optimizer and own.num_updates > 0 and (own.state.get("task_state") or {}).get("start"):
        raise PruneError(
            f"{cfg.save_dir} holds a training of {own.num_updates} updates, which --reset-optimizer would count from 0"
            f" again, over its rewind points: leave that out to go on, or give {own.path} with --restore-file and"
            " another --save-dir"
        )


def are_same(begun: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether the flags that decide a start are those of another training; see :func:`refuse_other_flags`."""
    return all(_is_same(_began(begun, name), value) for name, value in now.items())


def _began(begun: Mapping[str, Any], name: str) -> Any:
    """What a flag was; one that did not exist yet had its default."""
    return begun[name] if name in begun else getattr(TranslationPruningConfig, name, None)


def _is_same(begun: Any, now: Any) -> bool:
    if isinstance(begun, dict) and isinstance(now, dict):  # files, which may be gone by now
        if None in (begun["sha256"], now["sha256"]):
            return bool(begun["name"] == now["name"])
        return bool(begun["sha256"] == now["sha256"])
    return bool(begun == now)


def _shown(name: str, value: Any) -> str:
    flag = f"--{name.replace('_', '-')}"
    if value in (None, ""):
        return f"no {flag}"
    if isinstance(value, dict):
        return f"{flag} {value['name']} (SHA-256 {(value['sha256'] or 'unknown')[:12]})"
    return f"{flag} {value}"
