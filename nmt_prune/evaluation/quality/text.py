"""Text files with one sentence per line."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.files import atomic_path
from nmt_prune.text.plain_text import read_text


def read_lines(path: Path) -> list[str]:
    """Reads the lines of a UTF-8 file, perhaps compressed or with a byte-order mark.

    Only a line feed ends a line: Unicode's other separators, which ``str.splitlines`` obeys, occur inside real
    sentences and would shift every line after them.

    Raises:
        PruneError: the file is missing or is not UTF-8.
    """
    if not path.exists():
        raise PruneError(f"{path} does not exist")
    try:
        content = read_text(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise PruneError(f"{path} is not UTF-8 (byte {error.start}); convert it") from None
    return content.removesuffix("\n").split("\n") if content else []


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Writes one sentence per line, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8"))


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
