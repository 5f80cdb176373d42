"""What a result was made with: versions of packages and the state of the source."""

import re
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from nmt_prune import __version__
from nmt_prune.errors import PruneError

BEHIND_RESULTS = ("nmt-prune", "torch", "numpy", "ve-fairseq", "fairseq", "sacrebleu")


def versions(packages: Iterable[str] = BEHIND_RESULTS) -> dict[str, str]:
    """The versions of those packages that are installed; of this one, of what is running."""
    found = {}
    for package in packages:
        try:
            found[package] = __version__ if package == "nmt-prune" else version(package)
        except PackageNotFoundError:
            continue
    return found


def git_state() -> str | None:
    """Commit of the source, with ``-dirty`` where files differ from it; None outside of a checkout of its own."""
    if _git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    commit = _git("rev-parse", "HEAD")
    # Without a lock, which `describe --dirty` takes: killed meanwhile, it would keep the user from committing.
    changes = _git("--no-optional-locks", "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if commit and changes else commit


def _git(*words: str) -> str | None:
    try:
        process = subprocess.run(["git", "-C", str(Path(__file__).parent), *words], capture_output=True, text=True)
    except OSError:
        return None  # no git
    return process.stdout.strip() if process.returncode == 0 else None


def refuse_newer(path: Path, made_with: str | None) -> None:
    """Refuses a record of a later version, which may say what this one does not know.

    Args:
        path: the record.
        made_with: the version of this package that wrote it, where it says.

    Raises:
        PruneError: it is later than this one.
    """
    if made_with is not None and _numbers(made_with) > _numbers(__version__):
        raise PruneError(
            f"{path} was written by nmt-prune {made_with}, and this is {__version__}; update nmt-prune, or use another"
            " folder"
        )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text)[:3]))
