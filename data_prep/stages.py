"""Stages: folders of work, each with a record of what it was made from, so that nothing is done twice."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from data_prep.progress import Report
from nmt_prune.errors import PruneError
from nmt_prune.files import read_json, trouble, write_json

_RECORD = "stage.json"


class Stage:
    """One step of a pipeline; it is made when somebody asks for its folder, and only if it is not there yet.

    A stage that was killed is given its folder as it was left, if its settings are still the same: it may go on there.

    Args:
        folder: where the stage works; other stages stand beside it.
        title: what the user reads when the stage begins.
        settings: everything that decides what the stage makes, as JSON values, but not what it is made from.
        after: the stages that it is made from.
        make: fills the folder and returns facts about what it did, as JSON values.
        report: called with the title.
    """

    def __init__(
        self,
        folder: Path,
        title: str,
        settings: Mapping[str, Any],
        after: tuple["Stage", ...],
        make: Callable[[Path], Mapping[str, Any]],
        report: Report,
    ) -> None:
        self._folder, self._title, self._after, self._make, self._report = folder, title, after, make, report
        described = json.dumps([folder.name, settings, [stage.key for stage in after]], sort_keys=True)
        self.key: str = hashlib.sha256(described.encode()).hexdigest()
        """What tells this stage from one with other settings or inputs."""

    def folder(self) -> Path:
        """The finished stage's folder."""
        self.facts()
        return self._folder

    def facts(self) -> dict[str, Any]:
        """What the finished stage found.

        Raises:
            PruneError: it fails, or its folder cannot be written.
        """
        try:
            return self._facts()
        except OSError as error:
            raise PruneError(f"{trouble(error, error.filename or self._folder)}, then repeat the command") from error

    def _facts(self) -> dict[str, Any]:
        place = self._folder / _RECORD
        record = read_json(place) if place.exists() else {}
        if record.get("key") != self.key:
            self.discard()
            self._folder.mkdir(parents=True)
            record = {"key": self.key}
            write_json(place, record)
        if "facts" not in record:
            for stage in self._after:
                stage.facts()
            self._report(self._title)
            record["facts"] = dict(self._make(self._folder))
            write_json(place, record)
        return record["facts"]

    def discard(self) -> None:
        """Removes the folder; the stage is made anew if somebody asks for it again."""
        if self._folder.exists():
            # The record first: what a kill leaves must not look like a stage.
            (self._folder / _RECORD).unlink(missing_ok=True)
            shutil.rmtree(self._folder)
