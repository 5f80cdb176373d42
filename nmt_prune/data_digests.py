"""What a data folder holds, by SHA-256."""

import hashlib
import json
from pathlib import Path
from typing import Any

from nmt_prune.errors import PruneError
from nmt_prune.files import file_digest, read_object

MANIFEST = "manifest.json"


def known_digests(folder: Path) -> dict[str, Any]:
    """The digests of its files that its manifest has; without one those of the files that fairseq reads.

    Raises:
        PruneError: the manifest is damaged.
    """
    manifest = folder / MANIFEST
    if manifest.exists():
        try:
            return dict(read_object(manifest)["files"])
        except (KeyError, TypeError, ValueError):
            raise PruneError(f"{manifest} has no digests of files; make the folder anew") from None
    read = sorted(path for kind in ("*.bin", "*.idx", "dict.*.txt") for path in folder.glob(kind))
    return {path.name: file_digest(path) for path in read}


def read_digest(folder: Path, subset: str) -> str | None:
    """One digest of what a training and its scoring read of a folder; None while there is nothing.

    Args:
        folder: the data folder.
        subset: what is scored.

    Raises:
        PruneError: the manifest is damaged.
    """
    parts = ("dict.", "train", "valid", f"{subset}.")
    if (folder / MANIFEST).exists():
        found = {name: one for name, one in known_digests(folder).items() if name.startswith(parts)}
    else:
        read = (path for kind in ("*.bin", "*.idx", "dict.*.txt") for path in folder.glob(kind))
        found = {path.name: file_digest(path) for path in sorted(read) if path.name.startswith(parts)}
    return data_digest(found) if found else None


def data_digest(digests: dict[str, Any]) -> str:
    """One digest of all of them."""
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def first_other(folder: Path, digests: dict[str, Any]) -> str | None:
    """The first file that is gone, or has another digest."""
    files = ((name, folder / name) for name in digests)
    return next((name for name, path in files if not path.is_file() or file_digest(path) != digests[name]), None)
