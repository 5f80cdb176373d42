"""What a run's folder says about the run: its settings, how far it is, whether it failed."""

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nmt_prune import __version__
from nmt_prune.data_digests import read_digest
from nmt_prune.errors import PruneError
from nmt_prune.experiments.planning.commands import (
    Places,
    is_quantized,
    quantize_command,
    run_command,
    train_arguments,
    transfer_commands,
)
from nmt_prune.experiments.planning.runs import Run
from nmt_prune.experiments.recipe.sections import Corpus, Generation
from nmt_prune.files import atomic_path, read_object, write_json
from nmt_prune.pruning.flags import PruningFlags
from nmt_prune.versions import refuse_newer

DATA = "data_sha256"
"""In ``run.json``: the digest of the data folder that the run has begun with."""

# A ticket, its provenance and the rewind point of update 0.
_BEFORE_AN_UPDATE = ("checkpoint_last.pt", "pruning.json", "rewind_0.pt")


@dataclass(frozen=True)
class RunFolder:
    """A run's folder. Its files appear complete or not at all, the marker of a step after everything else of it."""

    path: Path

    @property
    def log(self) -> Path:
        """Output of all trainings of this run, the newest last."""
        return self.path / "train.log"

    @property
    def score_log(self) -> Path:
        """Output of the scoring."""
        return self.path / "score.log"

    @property
    def lock(self) -> Path:
        """Held while a step of this run is at work."""
        return self.path / ".lock"

    @property
    def trained(self) -> Path:
        """Marker of the finished training."""
        return self.path / "trained.json"

    @property
    def scores(self) -> Path:
        """Marker of the finished run."""
        return self.path / "scores.json"

    def describe(self, run: Run, places: Places) -> None:
        """Writes ``run.json``: what this run is, and the command that repeats it."""
        is_training = run.step == "train"
        command = ["fairseq-train", *train_arguments(run, places)] if is_training else run_command(run, places)
        description: dict[str, Any] = {
            "name": run.name,
            "technique": run.technique,
            "also": list(run.also),
            "sparsity": run.sparsity,
            "seed": run.seed,
            "updates": run.updates,
            "total_updates": run.total_updates,
            "parent": run.parent,
            "step": run.step,
            "command": command,
            "settings": run.settings,
        }
        if "transfer" in run.settings:
            description["before"] = transfer_commands(run, places)
        if is_quantized(run):
            description["after"] = [quantize_command(run, places)]
        path = self.path / "run.json"
        made = read_object(path) if path.exists() else None
        if (version := __version__ if made is None else made.get("nmt_prune")) is not None:
            description["nmt_prune"] = version  # that which began it
        is_begun = made is not None and self._has_begun(made)
        data = made.get(DATA) if made is not None and is_begun else _data_digest(run, places)
        description |= {} if data is None else {DATA: data}
        made = description if made is None else made
        if made.get("settings") != json.loads(json.dumps(run.settings)) and not is_begun:
            for name in _BEFORE_AN_UPDATE:
                (self.path / name).unlink(missing_ok=True)
        if not path.exists() or made != description:
            write_json(path, description)

    def check(self, run: Run, data: Path, digest: str | None) -> None:
        """Checks that what the folder holds belongs to this run; what failed before its first update binds nothing.

        Args:
            run: the run.
            data: its data folder.
            digest: of what that holds; None while there is nothing.

        Raises:
            PruneError: it was made with other settings or other data, or not by a plan at all.
        """
        path = self.path / "run.json"
        if not path.exists():
            if any(self.path.glob("*.pt")):
                raise PruneError(
                    f"{self.path} holds checkpoints but no run.json; move it away or use another --runs-dir"
                )
            return
        description = read_object(path)
        refuse_newer(path, description.get("nmt_prune"))
        made, wanted = description.get("settings", {}), json.loads(json.dumps(run.settings))
        ours, theirs = dict(_flat(_identity(wanted))), dict(_flat(_identity(made)))
        for key in [*ours, *theirs]:
            if theirs.get(key) != ours.get(key) and self._has_begun(description):
                before, now = (_shown(dict(_flat(settings)).get(key)) for settings in (made, wanted))
                raise PruneError(
                    f"run {run.name} was made with {key} {before}, not {now}; give the recipe another name, use another"
                    f" --runs-dir, or delete {self.path} and the runs based on it"
                )

        made_with = description.get(DATA, digest)  # older ones do not say
        if digest is not None and made_with != digest and self._has_begun(description):
            raise PruneError(
                f"run {run.name} was made with other data than {data} holds; give the recipe another name, use another"
                f" --runs-dir, or delete {self.path} and the runs based on it"
            )

    def _has_begun(self, description: Mapping[str, Any]) -> bool:
        """Whether anything has come of the run: an update, or whatever it makes without one."""
        files = {path.name for path in self.path.glob("[!.]*")} - {"run.json", "train.log", "score.log"}
        if not files <= set(_BEFORE_AN_UPDATE):
            return True
        last = self.path / "checkpoint_last.pt"
        if not last.exists():
            return False
        from nmt_prune.checkpoints import Checkpoint  # imports torch

        try:
            first = description["settings"]["training"]["max_update"] - description["updates"]
            return Checkpoint.load(last).num_updates > first
        except (PruneError, KeyError):
            return True

    def repair_checkpoint(self) -> str | None:
        """Puts a ``checkpoint_last.pt`` right that no training can go on from.

        fairseq copies it into place, so a kill can leave half of it; it has no optimizer state with
        ``--no-save-optimizer-state``.

        Returns:
            What was done, if anything was.
        """
        last = self.path / "checkpoint_last.pt"
        if not last.exists():
            return None
        if zipfile.is_zipfile(last):
            return self._begin_anew_without_optimizer(last)
        if (before := self._newest_but(last)) is not None:
            with atomic_path(last) as temporary:
                temporary.write_bytes(before.read_bytes())
            return f"{last} was truncated; training goes on from {before.name}"
        last.unlink()
        return f"{last} was truncated; training starts anew"

    def _newest_but(self, last: Path) -> Path | None:
        """The checkpoint of most updates that a training can go on from; several can be half copied."""
        from nmt_prune.checkpoints import Checkpoint  # imports torch

        found: dict[Path, int] = {}
        for path in self.path.glob("checkpoint*.pt"):
            with suppress(PruneError):
                if path != last and (checkpoint := Checkpoint.load(path)).has_optimizer:
                    found[path] = checkpoint.num_updates
        return max(found, key=lambda path: (found[path], path.name), default=None)

    def _begin_anew_without_optimizer(self, last: Path) -> str | None:
        from nmt_prune.checkpoints import Checkpoint  # imports torch

        try:
            checkpoint = Checkpoint.load(last)
        except PruneError:
            return None  # the training says it
        if checkpoint.has_optimizer or checkpoint.num_updates == 0:
            return None
        last.unlink()
        return f"{last} has no optimizer state; training starts anew"


def check_all(runs: Iterable[Run], places: Places) -> None:
    """Checks all folders of a plan before anything is written.

    Raises:
        PruneError: see :meth:`RunFolder.check`.
    """
    digests: dict[Path, str | None] = {}
    for run in runs:
        data = places.data_of(run.settings["corpus"])
        if data not in digests:
            digests[data] = _data_digest(run, places)
        RunFolder(places.runs / run.name).check(run, data, digests[data])


def check_trained(run: Run, places: Places) -> None:
    """Checks a folder again once its data are there, which a plan may have to prepare first.

    Raises:
        PruneError: see :meth:`RunFolder.check`.
    """
    data = places.data_of(run.settings["corpus"])
    RunFolder(places.runs / run.name).check(run, data, _data_digest(run, places))


def _data_digest(run: Run, places: Places) -> str | None:
    return read_digest(places.data_of(run.settings["corpus"]), run.settings["generation"]["subset"])


# Of these sections the defaults are known here; what they leave out of the others is fairseq's to decide.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "corpus": {name: one.default for name, one in Corpus.model_fields.items() if not one.is_required()},
    "generation": {name: one.default for name, one in Generation.model_fields.items()},
    "pruning": asdict(PruningFlags()),
}


# What says nothing of the result of such runs: a model that is taken as it is, and a translation of the data.
_WITHOUT = {"dense": "training", "distill": "model"}


def _identity(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a run another one: settings that differ from their defaults, so that new ones bind no old run."""
    settings = {key: one for key, one in settings.items() if not any(_WITHOUT.get(kind) == key for kind in settings)}
    return {
        section: {key: one for key, one in value.items() if key not in known or one != known[key]}
        if (known := _DEFAULTS.get(section)) is not None and isinstance(value, dict)
        else value
        for section, value in settings.items()
    }


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _shown(value: Any) -> str:
    return "unset" if value is None else str(value)
