"""Copies a model that was trained elsewhere into a run's folder: ``python -m ... CHECKPOINT FOLDER SHA256``."""

import shutil
import sys
from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.files import atomic_path, file_digest


def adopt(checkpoint: Path, folder: Path, sha256: str) -> None:
    """Puts the model where a training would have left it, as its last and its best checkpoint.

    Raises:
        PruneError: it is gone, or not the one that the plan was made with.
    """
    last, best = folder / "checkpoint_last.pt", folder / "checkpoint_best.pt"
    with atomic_path(last) as temporary:
        shutil.copyfile(checkpoint, temporary)
        if file_digest(temporary) != sha256:
            raise PruneError(f"{checkpoint} has changed since the runs were planned; repeat the command")
    with atomic_path(best) as temporary:
        shutil.copyfile(last, temporary)


if __name__ == "__main__":
    try:
        adopt(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    except PruneError as error:
        raise SystemExit(f"nmt-prune: error: {error}") from None
