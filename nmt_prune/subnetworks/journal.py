"""The journal of a search: every step as it is done, so that a search that was killed goes on where it was."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from tabulate import tabulate

from nmt_prune.errors import PruneError
from nmt_prune.files import atomic_path, write_json
from nmt_prune.masks.mask_file import load_masks, save_masks
from nmt_prune.masks.mask_set import MaskSet

JOURNAL, STEPS, TABLE = "journal.safetensors", "steps.json", "steps.txt"


@dataclass(frozen=True)
class Entry:
    """A step, or a subnetwork, and its score.

    Attributes:
        phase: phase of the step, or name of the subnetwork.
        score: dev score.
        passed: whether it reaches the threshold.
        sparsity: share of all prunable weights that are gone.
        left: number of components that exist, by kind.
        passes: mini-batches that went through the model to find and to score it.
    """

    phase: str
    score: float
    passed: bool
    sparsity: float
    left: dict[str, int]
    passes: int = 0


@dataclass(frozen=True)
class Journal:
    """What a search has done so far.

    Attributes:
        folder: folder of the search.
        settings: everything that decides its result, as JSON values.
        start: the model before the search.
        limit: worst score that passes.
        masks: masks of the last step that passed.
        steps: the steps.
        subnetworks: the subnetworks that have been scored.
    """

    folder: Path
    settings: Mapping[str, Any]
    start: Entry
    limit: float
    masks: MaskSet
    steps: tuple[Entry, ...] = ()
    subnetworks: tuple[Entry, ...] = ()

    @classmethod
    def read(cls, folder: Path, settings: Mapping[str, Any]) -> "Journal | None":
        """Reads the journal of a folder; None if there is none.

        Raises:
            PruneError: it is that of a search with other settings, or damaged.
        """
        path = folder / JOURNAL
        if not path.exists():
            return None
        masks, found = load_masks(path)
        made = found.get("settings", {})
        for key in [*settings, *made]:
            if made.get(key) != settings.get(key):
                raise PruneError(
                    f"{folder} holds a search with {key} {made.get(key)}, not {settings.get(key)}; give another --out,"
                    " or delete it"
                )
        entries = TypeAdapter(tuple[Entry, ...])
        return cls(
            folder=folder,
            settings=settings,
            start=TypeAdapter(Entry).validate_python(found["start"]),
            limit=found["limit"],
            masks=masks,
            steps=entries.validate_python(found["steps"]),
            subnetworks=entries.validate_python(found["subnetworks"]),
        )

    def with_step(self, entry: Entry, masks: MaskSet) -> "Journal":
        """The journal with one step more, written to its folder."""
        added = replace(self, steps=(*self.steps, entry), masks=masks if entry.passed else self.masks)
        added.write()
        return added

    def with_subnetwork(self, entry: Entry) -> "Journal":
        """The journal with one subnetwork more, written to its folder."""
        added = replace(self, subnetworks=(*self.subnetworks, entry))
        added.write()
        return added

    def write(self) -> None:
        """Writes the journal and, for people and programs, the steps as a table and as JSON."""
        facts = {
            "settings": dict(self.settings),
            "start": asdict(self.start),
            "limit": self.limit,
            "steps": [asdict(entry) for entry in self.steps],
            "subnetworks": [asdict(entry) for entry in self.subnetworks],
            "other_passes": sum(entry.passes for entry in (self.start, *self.steps)),
        }
        # Masks and steps in one file, which is there as a whole or not at all: a kill cannot part them.
        save_masks(self.masks, self.folder / JOURNAL, facts)
        write_json(self.folder / STEPS, facts)
        with atomic_path(self.folder / TABLE) as temporary:
            temporary.write_text(self.table() + "\n", encoding="utf-8")

    def table(self) -> str:
        """The steps and subnetworks as text."""
        score = f"dev {self.settings['score']}"
        header = ["step", "phase", score, "passes", "sparsity", *(kind.replace(" ", "\n") for kind in self.start.left)]
        rows = [_row("", "start", self.start)]
        rows += [_row(str(number), entry.phase, entry) for number, entry in enumerate(self.steps, start=1)]
        rows += [_row("", entry.phase, entry) for entry in self.subnetworks]
        table = tabulate(rows, header, tablefmt="simple", disable_numparse=True, colalign=["right", "left"])
        bound = "at most" if self.settings["score"] == "loss" else "at least"
        return f"{table}\n\na step passes with a {score} of {bound} {self.limit:.4f}"


def _row(number: str, name: str, entry: Entry) -> list[str]:
    passed = "yes" if entry.passed else "no"
    return [number, name, f"{entry.score:.4f}", passed, f"{entry.sparsity:.4f}", *map(str, entry.left.values())]
