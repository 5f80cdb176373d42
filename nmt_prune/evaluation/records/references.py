"""The references that runs were scored with."""

from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.text import digest
from nmt_prune.evaluation.records.run import ScoreRecord


def reference_file(scores: ScoreRecord, data: Path | None) -> Path:
    """The references that runs were scored with.

    Args:
        scores: of one of the runs.
        data: data folder that has them; None is where they were when the run was scored.

    Raises:
        PruneError: they are gone, or others.
    """
    recorded = Path(scores.reference)
    candidates = [recorded] if data is None else [data / "raw" / recorded.name, recorded]
    there = [path for path in candidates if path.is_file()]
    if not there:
        raise PruneError(
            f"reference {candidates[0]} is gone; give --data with the folder that holds raw/{recorded.name}"
        )
    # Runs may be scored against another file of that name than the data folder's own.
    path = next((path for path in there if digest(path) == scores.reference_sha256), None)
    if path is None:
        raise PruneError(f"reference {there[0]} is not the one that the runs were scored with; score them again")
    return path
