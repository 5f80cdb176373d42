"""SHA-256 of the files of a folder, by which a manifest tells what the folder holds."""

from pathlib import Path

from nmt_prune.files import file_digest


def folder_digests(folder: Path) -> dict[str, str]:
    """Digest of every file under ``folder`` by its relative path, sorted."""
    return {
        path.relative_to(folder).as_posix(): file_digest(path) for path in sorted(folder.rglob("*")) if path.is_file()
    }
