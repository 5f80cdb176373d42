"""What a struck sweep had done already, which must not be lost and not be done again."""

from dataclasses import dataclass, field
from pathlib import Path

from tests.soak.sweep import Ended, Sweep

_MARKERS = ("trained.json", "scores.json")


@dataclass
class Progress:
    """Follows a sweep from command to command.

    Attributes:
        saved: the update of the last whole checkpoint, by run.
        reached: the update that a run has come to.
        updates: updates done, those done again included.
        again: updates done again, because no checkpoint had them.
    """

    saved: dict[str, int] = field(default_factory=dict)
    reached: dict[str, int] = field(default_factory=dict)
    updates: int = 0
    again: int = 0
    _finished: dict[Path, bytes] = field(default_factory=dict)

    def look(self, sweep: Sweep, ended: Ended) -> list[str]:
        """Takes note of what a command has done; returns what it should not have done."""
        wrong = self._updates(sweep, ended.notes)
        for path, content in self._finished.items():
            if not path.exists() or path.read_bytes() != content:
                wrong.append(f"{path.parent.name}/{path.name} was made twice")
        for run in sweep.shape.runs:
            for path in (sweep.runs / run / name for name in _MARKERS):
                if path.exists():
                    self._finished[path] = path.read_bytes()
        return wrong

    def _updates(self, sweep: Sweep, notes: list[str]) -> list[str]:
        wrong, begun = [], set()
        for words in (line.split()[1:] for line in notes):
            if words[0] == "update":
                run, update = words[1], int(words[2])
                if run not in begun and update <= self.saved.get(run, 0):
                    wrong.append(f"{run} went on from update {update - 1}, not {self.saved[run]}")
                if sweep.runs / run / "trained.json" in self._finished:
                    wrong.append(f"{run} was trained twice")
                begun.add(run)
                self.updates += 1
                self.again += update <= self.reached.get(run, 0)
                self.reached[run] = max(update, self.reached.get(run, 0))
            elif words[0] == "saved":
                self.saved[words[1]] = int(words[2])
        return wrong
