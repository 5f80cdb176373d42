"""The dictionaries that a model was trained with: row i of an embedding is a word of these and of no others."""

import hashlib
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_file import SUFFIX, load_masks
from nmt_prune.text.dictionaries import languages, read_symbols

KEY = "dictionaries"
"""Of the digests in a checkpoint's task state and in the provenance of a mask file."""

SIDES = ("source", "target")


def digests(source: Sequence[str], target: Sequence[str]) -> dict[str, str]:
    """SHA-256 of both dictionaries.

    Args:
        source: symbols in the order of their rows.
        target: the same of the target.
    """
    return {
        side: hashlib.sha256("\n".join(symbols).encode("utf-8", "surrogatepass")).hexdigest()
        for side, symbols in zip(SIDES, (source, target), strict=True)
    }


def recorded(checkpoint: Checkpoint) -> dict[str, Any]:
    """The part of a checkpoint's task state that stays true of every model made of it."""
    state = checkpoint.state.get("task_state") or {}
    return {KEY: dict(state[KEY])} if isinstance(state.get(KEY), Mapping) else {}


def own(checkpoint: Checkpoint) -> dict[str, str] | None:
    """Digests of the dictionaries that a model was trained with.

    Returns:
        None if the checkpoint was not written by this toolkit and its data folder is gone.
    """
    if known := recorded(checkpoint):
        return dict(known[KEY])
    settings = _task(checkpoint)
    return of_folder(Path(str(settings.get("data") or "").split(":")[0]), settings)


def pair(checkpoint: Checkpoint) -> tuple[str | None, str | None]:
    """Source and target language of a model, as far as its settings say."""
    source, target = (_task(checkpoint).get(f"{side}_lang") for side in SIDES)
    return source, target


def of_folder(folder: Path, settings: Mapping[str, Any]) -> dict[str, str] | None:
    """Digests of the dictionaries of a data folder.

    Args:
        folder: the folder of fairseq-preprocess.
        settings: the task's, which may name the languages.

    Returns:
        None if there are none.
    """
    sides = tuple(settings.get(f"{side}_lang") for side in SIDES)
    try:
        source, target = sides if all(sides) else languages(folder)
        return digests(*(read_symbols(folder / f"dict.{language}.txt") for language in (source, target)))
    except PruneError:
        return None


def compare(path: Path, known: Mapping[str, str] | None, wanted: Mapping[str, str] | None, data: str) -> str:
    """Compares dictionaries.

    Args:
        path: the model or mask.
        known: its dictionaries; None: unknown.
        wanted: those of the data; None: unknown.
        data: what to call the data, such as ``--data FOLDER``.

    Returns:
        A remark if they cannot be compared, else an empty string.

    Raises:
        PruneError: they differ.
    """
    if known is None or wanted is None:
        return (
            f"whether {data} has the dictionaries of {path} cannot be checked: the data folder of its training is gone"
        )
    if different := [side for side in SIDES if known.get(side) != wanted.get(side)]:
        raise PruneError(
            f"{data}: its {different[0]} dictionary is not the one that {path} was trained with, so rows of embeddings"
            " would stand for other words; give the data folder of its training (or see nmt-prune transfer)"
        )
    return ""


def check_data(checkpoint: Checkpoint, data: Path, flag: str = "--data") -> str:
    """Compares a model's dictionaries with those of a data folder; see :func:`compare`."""
    return compare(checkpoint.path, own(checkpoint), of_folder(data, _task(checkpoint)), f"{flag} {data}")


def of_source(path: Path) -> tuple[bool, dict[str, str] | None]:
    """Digests of the dictionaries of a checkpoint or a mask file, and whether they matter: the body has none."""
    if path.suffix != SUFFIX:
        return True, own(Checkpoint.load(path))
    masks, provenance = load_masks(path)
    known = provenance.get(KEY)
    return not all(prunable.in_body for prunable in masks.prunables), dict(known) if isinstance(
        known, Mapping
    ) else None


def _task(checkpoint: Checkpoint) -> dict[str, Any]:
    flat = checkpoint.state.get("args")
    task = flat if flat is not None else (checkpoint.state.get("cfg") or {}).get("task") or {}
    return vars(task) if isinstance(task, Namespace) else dict(task)
