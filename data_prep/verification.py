"""Files whose size and SHA-256 are known: checked once, and remembered beside the file."""

from pathlib import Path

from data_prep.progress import Report
from nmt_prune.errors import PruneError
from nmt_prune.files import atomic_path, file_digest


def is_complete(path: Path, size: int, sha256: str, report: Report) -> bool:
    """Tells whether ``path`` is there and what was published.

    The digest is remembered in ``NAME.sha256``, with the file's size and time of change.

    Args:
        path: the file.
        size: its bytes.
        sha256: its SHA-256 in hexadecimal.
        report: called with a line before the file is read.

    Raises:
        PruneError: it is there and something else.
    """
    if not path.is_file():
        return False
    advice = "it is not the published file; delete it, or put the right one there"
    if (found := path.stat().st_size) != size:
        raise PruneError(f"{path} has {found} bytes, not {size}: {advice}")
    if _remembered(path) == sha256:
        return True
    report(f"{path.name}: computing its SHA-256")
    if (digest := file_digest(path)) != sha256:
        raise PruneError(f"{path} has SHA-256 {digest}, not {sha256}: {advice}")
    remember(path, digest)
    return True


def remember(path: Path, sha256: str) -> None:
    """Notes the SHA-256 of a file beside it; in a folder that cannot be written to it is computed at every start."""
    try:
        with atomic_path(_note(path)) as temporary:
            temporary.write_text(f"{sha256} {_state(path)}\n", encoding="ascii")
    except PruneError:
        return


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _state(path: Path) -> str:
    state = path.stat()
    return f"{state.st_size} {state.st_mtime_ns}"


def _remembered(path: Path) -> str | None:
    try:
        digest, _, state = _note(path).read_text(encoding="ascii").rstrip("\n").partition(" ")
    except (OSError, UnicodeDecodeError):
        return None
    return digest if state == _state(path) else None
