"""Comparing what a sweep has left with what an undisturbed one has: what counts as the same, to the byte."""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_file import load_masks
from nmt_prune.storage.checkpoints.to_checkpoint import checkpoint_state
from nmt_prune.storage.format.compact_file import load_compact

# What a clock, a busy processor or the bytes of another file that holds such a time decide.
_TIMES = ("seconds", "speed", "tokens_per", "cpu", "sha256", "is_resumed", "previous_training_time")
_UNLIKE = frozenset({"metrics", "cfg", "args", "provenance", "git", "engine"})
# What notes that a training has gone on; fairseq adds an entry to its history of optimizers.
_GOING_ON = frozenset({"optimizer_history", "first_update", "resets"})

_BESIDE = re.compile(r"\.|checkpoint_\d")
"""Temporaries, which a kill leaves behind under hidden names, and the checkpoint of an update, which fairseq may not
have come to remove; checkpoint_last.pt is the same."""


def differing(folder: Path, undisturbed: Path) -> dict[str, int]:
    """Bytes that differ, by file; a file that one of them lacks differs in all its bytes."""
    names = {str(path.relative_to(place)) for place in (folder, undisturbed) for path in _results(place)}
    found = {name: _file(folder / name, undisturbed / name) for name in sorted(names)}
    return {name: count for name, count in found.items() if count}


def unreadable(folder: Path) -> list[str]:
    """Files that are taken for results and are not whole."""
    found = []
    for path in _results(folder):
        try:
            content(path)
        except (PruneError, ValueError, OSError) as error:
            found.append(f"{path}: {error}")
    return found


def _results(folder: Path) -> Iterator[Path]:
    kinds = ("*.pt", "hypotheses.*.txt", "scores.json", "trained.json", "pruning.json", "report/results.csv")
    for place, patterns in (("runs", kinds), ("data-bin", ("*",)), ("", ("model.nmt", "mask.*", "translations.txt"))):
        for pattern in patterns:
            for path in (folder / place).rglob(pattern) if place else folder.glob(pattern):
                if path.is_file() and not any(_BESIDE.match(part) for part in path.relative_to(folder).parts):
                    yield path


def _file(one: Path, other: Path) -> int:
    if not (one.exists() and other.exists()):
        return next(path.stat().st_size for path in (one, other) if path.exists())
    return differing_in(*(dict(content(path)) for path in (one, other)))


def differing_in(one: dict[str, bytes], other: dict[str, bytes]) -> int:
    """Bytes that differ between two contents."""
    return sum(in_bytes(one.get(key, b""), other.get(key, b"")) for key in one.keys() | other.keys())


def in_bytes(one: bytes, other: bytes) -> int:
    """Bytes in which two strings differ; where one is longer, all of those."""
    if one == other:
        return 0
    shorter = min(len(one), len(other))
    pair = (np.frombuffer(value[:shorter], np.uint8) for value in (one, other))
    return int(np.count_nonzero(np.not_equal(*pair))) + abs(len(one) - len(other))


def content(path: Path) -> Iterator[tuple[str, bytes]]:
    """What a file says, by name, without times.

    Raises:
        PruneError: it cannot be read; ValueError if it is JSON or CSV.
    """
    match path.suffix:
        case ".pt":
            checkpoint = Checkpoint.load(path)
            yield from flat({**checkpoint.state, "last": checkpoint.history})
        case ".nmt":
            yield from flat(checkpoint_state(load_compact(path), str(path))["model"])
        case ".safetensors":
            masks, _ = load_masks(path)
            yield from flat({name: masks[name] for name in masks})
        case ".json":
            yield from flat(json.loads(path.read_text(encoding="utf-8")))
        case ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                yield from flat({row["run"]: row for row in csv.DictReader(file)})
        case _:
            yield "", path.read_bytes()


def flat(value: Any, name: str = "") -> Iterator[tuple[str, bytes]]:
    """The bytes of all tensors and values in nested ones, without times, by name."""
    if isinstance(value, torch.Tensor):
        numbers = value.detach().cpu().contiguous().flatten()
        yield f"{name} {value.dtype} {list(value.shape)}", numbers.view(torch.uint8).numpy().tobytes()
    elif isinstance(value, dict):
        for key, part in value.items():
            if key not in _UNLIKE | _GOING_ON and not any(time in str(key) for time in _TIMES):
                yield from flat(part, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from flat(part, f"{name}.{index}")
    else:
        yield name, repr(value).encode()
