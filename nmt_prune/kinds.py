"""What a file is, by its bytes: for the line about a file in whose place another was expected."""

import json
import zipfile
from pathlib import Path

from nmt_prune.errors import PruneError

MASKS, MODEL = "nmt_prune", "nmt_prune_model"
"""The keys in the metadata of our safetensors files."""

CHECKPOINT, MASK_FILE, COMPACT_MODEL = "a checkpoint", "a mask file", "a compact model"
_SHORTEST, _FEW = 8, 1 << 12  # bytes to judge a text by
_LARGEST_HEADER = 100 << 20  # safetensors' own limit


def kind_of(path: Path) -> str | None:
    """What a file or folder is, as in ``FILE is ...``; None: unknown, or damaged."""
    if path.is_dir():
        return "a folder"
    try:
        with path.open("rb") as file:
            start = file.read(_FEW)
            if start[8:9] == b"{" and (length := int.from_bytes(start[:8], "little")) <= _LARGEST_HEADER:
                file.seek(8)
                return _of_safetensors(file.read(length))
    except OSError:
        return None
    if zipfile.is_zipfile(path):
        return _of_zip(path)
    if start.startswith(b"\x80"):
        return CHECKPOINT  # a pickle, as torch wrote before 2020
    return _of_text(start) if start else "empty"


def refuse_other_kinds(path: Path, expected: str, advice: str) -> None:
    """Refuses what is known to be something else than what is expected.

    Args:
        path: the file.
        expected: ``CHECKPOINT``, ``MASK_FILE`` or ``COMPACT_MODEL``.
        advice: what to do, for the message.

    Raises:
        PruneError: it is.
    """
    kind = kind_of(path)
    if kind not in (None, expected):
        raise PruneError(f"{path} is {kind}, not {expected}; {advice}")


def _of_safetensors(header: bytes) -> str | None:
    try:
        metadata = json.loads(header).get("__metadata__") or {}
    except (ValueError, AttributeError, RecursionError):
        return None
    if MASKS in metadata:
        return MASK_FILE
    return COMPACT_MODEL if MODEL in metadata else "a safetensors file of another program"


def _of_zip(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return CHECKPOINT if any(name.endswith("data.pkl") for name in archive.namelist()) else "a zip archive"


def _of_text(start: bytes) -> str | None:
    if len(start) < _SHORTEST or start.startswith(b"PK"):
        return None  # what is left of a truncated file
    text = start.decode(errors="replace")
    return None if "\0" in text or "\ufffd" in text[:-3] else "a text"  # the last character may be cut
