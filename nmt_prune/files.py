"""Writing files so that a crash, a kill or a full disk never leaves half of one in place."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nmt_prune.errors import PruneError


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yields a temporary sibling of ``path`` to write to (a file or a folder) and renames it into place on success.

    Raises:
        PruneError: the disk is full or the folder cannot be written; ``path`` is as it was before.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if temporary.is_dir() and path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise PruneError(f"cannot write {path}: {reason}; free some space or choose another place") from error
    finally:
        with suppress(OSError):
            if temporary.is_dir():
                shutil.rmtree(temporary)
            else:
                temporary.unlink(missing_ok=True)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()


def write_json(path: Path | str, value: Any) -> None:
    """Writes ``value`` as indented JSON, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path | str) -> Any:
    """Reads a JSON file.

    Raises:
        PruneError: the file is missing, cannot be read or is not JSON.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PruneError(f"{path} does not exist") from None
    except OSError as error:
        raise PruneError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise PruneError(f"{path} is not JSON ({error}); delete it and run the command again") from None
