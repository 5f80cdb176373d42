"""The plan file: what the runner tells Snakemake and the steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from nmt_prune.errors import PruneError
from nmt_prune.experiments.planning.commands import Places
from nmt_prune.experiments.planning.run_folder import RunFolder
from nmt_prune.experiments.planning.runs import Run, path_lengths
from nmt_prune.experiments.recipe.resources import Resources, of_a_job
from nmt_prune.experiments.recipe.sections import gpus_wanted
from nmt_prune.files import read_json, read_object, write_json

PLAN_FILE = "plan.json"


@dataclass(frozen=True)
class Plan:
    """An expanded recipe and where it happens.

    Attributes:
        runs: the runs, parents first.
        places: where they read and write; paths are relative to ``start``.
        start: folder that the user started in.
        gpus: GPUs that the steps share, each training on its own; None on a cluster, whose scheduler gives them.
        published: papers whose numbers the report shows.
        targets: corpora of a transfer matrix, each with a folder of runs; none for an ordinary recipe.
        trainings_per_gpu: trainings that share a GPU.
        resources: what a cluster is asked for.
        data_is_given: whether the data folder is the user's own, and nothing is to be prepared.
        slots: steps that run side by side.
    """

    runs: tuple[Run, ...]
    places: Places
    start: Path
    gpus: tuple[str, ...] | None = ()
    published: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    trainings_per_gpu: int = 1
    resources: Resources | None = None
    data_is_given: bool = False
    slots: int = 1

    @classmethod
    def of(
        cls, runs: Sequence[Run], places: Places, published: Sequence[str] = (), trainings_per_gpu: int = 1
    ) -> "Plan":
        """A plan that starts in the current folder."""
        return cls(tuple(runs), places, Path.cwd(), published=tuple(published), trainings_per_gpu=trainings_per_gpu)

    @classmethod
    def read(cls, path: Path) -> "Plan":
        """Reads a plan file.

        Raises:
            PruneError: it cannot be read, or is no plan of this version.
        """
        try:
            return TypeAdapter(cls).validate_python(read_json(path))
        except ValidationError as error:
            key = ".".join(map(str, error.errors()[0]["loc"])) or "content"
            raise PruneError(
                f"{path} is no plan of this version of nmt-prune ({key}: {error.errors()[0]['msg'].lower()}); repeat"
                " nmt-prune run with the recipe to write it anew"
            ) from None

    @classmethod
    def begun_in(cls, runs: Path) -> "Plan | None":
        """The plan that was begun last in a folder of runs, wherever that is now; None where there is none.

        Raises:
            PruneError: see :meth:`read`.
        """
        path = runs / PLAN_FILE
        if not path.is_file():
            return None
        plan = cls.read(path)
        return replace(plan, places=replace(plan.places, runs=runs))

    @staticmethod
    def published_in(runs: Path) -> tuple[str, ...]:
        """The papers that the plan in a folder of runs names; none where there is no plan."""
        path = runs / PLAN_FILE
        return tuple(read_object(path).get("published", ())) if path.exists() else ()

    @staticmethod
    def targets_in(runs: Path) -> tuple[str, ...]:
        """The corpora of the transfer matrix in a folder of runs; none where it holds no transfer recipe's."""
        path = runs / PLAN_FILE
        return tuple(read_object(path).get("targets", ())) if path.exists() else ()

    def write(self, steps: Sequence[Mapping[str, Any]] = ()) -> Path:
        """Writes the plan file, with the steps that are left, into the folder of the runs."""
        path = self.places.runs / PLAN_FILE
        value = TypeAdapter(Plan).dump_python(self, mode="json")
        write_json(path, {**value, "steps": list(steps)})
        return path.absolute()

    def run(self, name: str) -> Run:
        """The run of this name."""
        return next(run for run in self.runs if run.name == name)

    def folder(self, run: Run) -> RunFolder:
        """The folder of a run."""
        return RunFolder(self.places.runs / run.name)

    @property
    def lock(self) -> Path:
        """Held while a runner is at work."""
        return self.places.runs / ".lock"

    @property
    def reported(self) -> Path:
        """Marker of the finished report."""
        return self.places.runs / ".report.done"

    @property
    def is_elsewhere(self) -> bool:
        """Whether a cluster runs the steps."""
        return self.gpus is None

    @property
    def gpu_locks(self) -> Path:
        """Folder of the locks on GPUs."""
        return self.places.runs / ".gpus"

    @property
    def failures(self) -> Path:
        """Folder of what went wrong since the runner was started."""
        return self.places.runs / ".failures"

    def failure(self, *step: str) -> Path:
        """Where a step notes that it failed; ``step`` is its name and, if it has one, its run."""
        return self.failures / f"{'.'.join(step).replace('/', '.')}.json"

    def steps(self) -> list[dict[str, Any]]:
        """What is left to do for each run, for the Snakefile; finished runs are left out.

        The priority is the length of the longest chain that waits for the run: on few cores the longest chain decides
        when the experiment ends.
        """
        trained = {run.name for run in self.runs if self.folder(run).trained.exists()}
        waiting = {run.name for run in self.runs if run.step == "train"} - trained
        lengths = path_lengths(self.runs, {run.name: run.updates * (run.name in waiting) for run in self.runs})
        steps = [
            {
                "run": run.name,
                "after": list(run.after),
                "train": run.name not in trained,
                "score": run.is_scored and not self.folder(run).scores.exists(),
                "result": "scores.json" if run.is_scored else "trained.json",
                "priority": lengths[run.name],
                "resources": self._resources(gpus_wanted(run.settings["training"])),
            }
            for run in self.runs
        ]
        return [step for step in steps if step["train"] or step["score"]]

    def _resources(self, gpus: int) -> Mapping[str, Any]:
        return of_a_job(self.resources or Resources(), gpus) if self.is_elsewhere else {}
