"""The run folders of a recipe that are scored."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.text import read_lines
from nmt_prune.evaluation.records.run import RUN_FILE, SCORES_FILE, RunRecord, ScoreRecord, read_record
from nmt_prune.files import read_object
from nmt_prune.techniques import DENSE


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


@dataclass(frozen=True)
class ScoredRuns:
    """The runs of a recipe.

    Attributes:
        folder: ``runs/<recipe>``.
        scored: those with scores, sorted by name.
        unscored: names of those that have no scores yet.
    """

    folder: Path
    scored: tuple[ScoredRun, ...]
    unscored: tuple[str, ...]

    @cached_property
    def dense(self) -> dict[int, ScoredRun]:
        """The dense run of each seed that has one."""
        found: dict[int, ScoredRun] = {}
        for run in self.scored:
            if run.record.technique == DENSE:
                found.setdefault(run.record.seed, run)
        return found

    def of_seed(self, seed: int) -> list[ScoredRun]:
        """The runs of a seed."""
        return [run for run in self.scored if run.record.seed == seed]


def beside(folder: Path, name: str | None) -> Path | None:
    """A run or file that a run names; what is of another corpus is named from one folder further up. None: gone."""
    return next((up / name for up in folder.parents[:2] if (up / name).exists()), None) if name else None


def total_updates(run: ScoredRun) -> int:
    """Updates behind a run, those of all its ancestors included; for an ancestor that is gone the plan counts."""
    return run.updates + _inherited(run.folder, run.record)


def _inherited(folder: Path, record: RunRecord) -> int:
    parent = beside(folder, record.parent)
    if parent is None or not (parent / RUN_FILE).is_file():
        return record.total_updates - record.updates
    above = read_record(RunRecord, parent / RUN_FILE)
    done = read_object(parent / SCORES_FILE).get("updates") if (parent / SCORES_FILE).is_file() else None
    return (above.updates if done is None else int(done)) + _inherited(parent, above)


def read_runs(folder: Path) -> ScoredRuns:
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
    runs = tuple(
        ScoredRun(path, read_record(RunRecord, path / RUN_FILE), read_record(ScoreRecord, path / SCORES_FILE))
        for path in scored
    )
    unscored = [path for path in paths if path not in scored]
    steps = {path.name: read_object(path / RUN_FILE).get("step") for path in unscored}
    names = tuple(name for name, step in steps.items() if step not in ("search", "distill"))
    return ScoredRuns(folder, runs, names)
