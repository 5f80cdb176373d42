"""The run folders of a recipe that are scored."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.text import read_lines
from nmt_prune.evaluation.records.run import RUN_FILE, SCORES_FILE, RunRecord, ScoreRecord, read_record
from nmt_prune.files import read_json


@dataclass(frozen=True)
class ScoredRun:
    """A run folder and what it says about itself."""

    folder: Path
    record: RunRecord
    scores: ScoreRecord

    @property
    def name(self) -> str:
        """Its name."""
        return self.folder.name

    @property
    def checkpoint(self) -> Path:
        """The checkpoint that was scored."""
        return self.folder / self.scores.checkpoint

    @property
    def updates(self) -> int:
        """Updates of its training; those planned where its checkpoints do not say."""
        return self.record.updates if self.scores.updates is None else self.scores.updates

    def hypotheses(self) -> list[str]:
        """Its translations."""
        return read_lines(self.folder / self.scores.hypotheses_file)


def total_updates(run: ScoredRun, runs: Mapping[str, ScoredRun]) -> int:
    """Updates behind a run, those of all its ancestors included.

    Args:
        run: the run.
        runs: all scored runs by name; for an ancestor that is not among them the plan counts.
    """
    parent = runs.get(run.record.parent or "")
    inherited = run.record.total_updates - run.record.updates if parent is None else total_updates(parent, runs)
    return run.updates + inherited


def read_runs(folder: Path) -> tuple[list[ScoredRun], tuple[str, ...]]:
    """Reads the scored runs of a recipe, and names those that have no scores yet.

    Raises:
        PruneError: there is no scored run, or a record cannot be read.
    """
    if not folder.is_dir():
        raise PruneError(f"{folder} is not a folder of runs")
    paths = sorted(path.parent for path in folder.glob(f"*/{RUN_FILE}"))
    scored = [path for path in paths if (path / SCORES_FILE).is_file()]
    if not scored:
        raise PruneError(f"{folder} holds no run with {RUN_FILE} and {SCORES_FILE}; run nmt-prune score first")
    runs = [
        ScoredRun(path, read_record(RunRecord, path / RUN_FILE), read_record(ScoreRecord, path / SCORES_FILE))
        for path in scored
    ]
    unscored = [path for path in paths if path not in scored]
    return runs, tuple(path.name for path in unscored if read_json(path / RUN_FILE).get("step") != "search")
