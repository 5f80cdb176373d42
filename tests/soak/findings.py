"""What the soak has found so far: the table on the screen and the JSON file."""

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from nmt_prune.files import write_json
from nmt_prune.pace import say
from tests.benchmarks.reporting import machine
from tests.soak.progress import Progress

Key = tuple[str, str]
"""A fault and the phase that it struck."""


@dataclass
class Findings:
    """Counts by fault and phase.

    Attributes:
        path: the JSON file.
        seed: of the random choices.
        wanted: how many kills are asked for.
        count: faults.
        lost: faults after which something was lost, done twice, or not said as it should be.
        differing: bytes that differ after sweeps with such faults.
        sweeps: finished sweeps.
        compared: kills in finished sweeps.
        updates: updates of finished sweeps, with those that were done again.
        again: updates that were done again.
        bytes: that differ, in all.
        wrong: what went wrong, in words.
    """

    path: Path
    seed: int
    wanted: int
    count: Counter[Key] = field(default_factory=Counter)
    lost: Counter[Key] = field(default_factory=Counter)
    differing: Counter[Key] = field(default_factory=Counter)
    sweeps: int = 0
    compared: int = 0
    updates: int = 0
    again: int = 0
    bytes: int = 0
    wrong: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _console: Console = field(default_factory=lambda: Console(stderr=True))

    @property
    def kills(self) -> int:
        """SIGKILLs so far."""
        return sum(count for (fault, _), count in self.count.items() if fault.startswith("SIGKILL"))

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def add(self, fault: str, phase: str, wrong: list[str]) -> Key:
        """Counts a fault and says so."""
        key = (fault, phase)
        self.count[key] += 1
        self.lost[key] += bool(wrong)
        self.wrong += [f"{fault}, {phase}: {line}" for line in wrong]
        self.say(f"{fault}, {phase}{''.join(f'; WRONG: {line}' for line in wrong)}")
        self.write()
        return key

    def count_differing(self, keys: set[Key], differing: int) -> None:
        """Counts bytes that differ for the faults before."""
        self.bytes += differing
        for key in keys:
            self.differing[key] += differing
        if differing:
            self.wrong.append(f"{differing} bytes differ after {', '.join(' in '.join(key) for key in sorted(keys))}")

    def end_sweep(self, keys: set[Key], progress: Progress, found: dict[str, int], broken: list[str]) -> None:
        """Counts what differs after a sweep for all the faults that struck it."""
        self.sweeps += 1
        self.compared = self.kills
        self.updates += progress.updates
        self.again += progress.again
        self.count_differing(keys, sum(found.values()))
        self.wrong += [f"sweep {self.sweeps}: {name} differs in {count} bytes" for name, count in found.items()]
        self.wrong += [f"sweep {self.sweeps}: {line}" for line in broken]
        self.say(f"sweep {self.sweeps} is finished: {sum(found.values())} bytes differ, {len(broken)} broken files")
        self.write()

    def say(self, message: str) -> None:
        """A line with the time and the number of kills."""
        minutes, seconds = divmod(int(self.seconds), 60)
        done = f"{self.kills}/{self.wanted} kills, {sum(self.lost.values())} lost, {self.bytes} bytes differ"
        say(self._console, f"[{minutes}:{seconds:02}] {done} · {message}")

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        rows = [
            {"fault": fault, "phase": phase, "times": self.count[fault, phase]}
            | {"lost": self.lost[fault, phase], "differing_bytes": self.differing[fault, phase]}
            for fault, phase in sorted(self.count)
        ]
        return {
            "benchmark": "soak",
            "machine": machine(),
            "seed": self.seed,
            "seconds": round(self.seconds),
            "kills": self.kills,
            "kills_in_finished_sweeps": self.compared,
            "faults": sum(self.count.values()),
            "lost": sum(self.lost.values()),
            "differing_bytes": self.bytes,
            "sweeps": self.sweeps,
            "updates": self.updates,
            "updates_done_again": self.again,
            "wrong": self.wrong,
            "rows": rows,
        }

    def write(self) -> None:
        """Writes the JSON file."""
        write_json(self.path, self.as_json())

    def table(self) -> Table:
        """The table: a line for each fault and phase, and their sum."""
        found = self.as_json()
        minutes, again = round(self.seconds / 60), f"of {self.updates:,} updates {self.again} were done again"
        caption = (
            f"{self.kills} kills in {minutes} minutes, {self.compared} of them in the {self.sweeps} sweeps that were"
            f" finished and compared; {again}, because no checkpoint had them; seed {self.seed}"
        )
        table = Table(title="Faults", caption=caption, title_justify="left", caption_justify="left")
        for index, column in enumerate(("fault", "phase", "times", "lost", "differing bytes")):
            table.add_column(column, justify="left" if index < 2 else "right")
        for row in found["rows"]:
            table.add_row(*map(str, row.values()))
        table.add_row("all", "", *map(str, (found["faults"], found["lost"], found["differing_bytes"])), style="bold")
        return table
