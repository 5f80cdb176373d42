"""Mini-batches behind a run that no update counts: what masks were measured on, and a search's."""

from pathlib import Path

from nmt_prune.evaluation.records.run import RUN_FILE, RunRecord, read_record
from nmt_prune.evaluation.records.scored_runs import beside
from nmt_prune.files import read_object

_RECORDS = ("pruning.json", "steps.json")  # of a training that was pruned, and of a search


def other_passes(folder: Path) -> int | None:
    """Mini-batches that went through the models of a run and its ancestors other than in an update.

    Args:
        folder: folder of the run; its ancestors' lie beside it.

    Returns:
        None where a record is of before they were counted, or an ancestor is gone.
    """
    counts = [_own(folder)]
    if (folder / RUN_FILE).is_file() and (parent := read_record(RunRecord, folder / RUN_FILE).parent) is not None:
        found = beside(folder, parent)
        counts.append(None if found is None else other_passes(found))
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _own(folder: Path) -> int | None:
    records = [read_object(folder / name) for name in _RECORDS if (folder / name).is_file()]
    counts = [record.get("other_passes") for record in records]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
