"""``pruning.json`` in a training's folder: what its masks come from, and what was measured for them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nmt_prune.files import read_json, read_object, write_json
from nmt_prune.tasks.workers import is_master

PASSES = "other_passes"
"""Mini-batches that masks were measured on so far."""

_FILE = "pruning.json"


def write(folder: str, values: Mapping[str, Any]) -> None:
    """Writes JSON values in place of what was there."""
    write_json(Path(folder) / _FILE, values)


def note(folder: str, values: Mapping[str, Any]) -> None:
    """Adds JSON values, on one worker."""
    path = Path(folder) / _FILE
    if is_master():
        write_json(path, {**(read_json(path) if path.exists() else {}), **values})


def known_passes(folder: str) -> int:
    """Mini-batches that masks were measured on before this training went on."""
    path = Path(folder) / _FILE
    return (read_object(path) if path.exists() else {}).get(PASSES) or 0
