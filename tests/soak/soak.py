"""Sweeps that are struck, one after the other, each compared in the end with the undisturbed one."""

import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.soak.board import PHASES
from tests.soak.comparing import differing, differing_in, unreadable
from tests.soak.faults import Faults
from tests.soak.findings import Findings
from tests.soak.pair import Pair
from tests.soak.stage import COUNTED
from tests.soak.sweep import MASK, MODEL, Ended, Shape, Sweep

# How often a phase may be struck in one sweep, where it would begin anew each time.
_MOST = {"start": 2, "data preparation": 4, "scoring": 5, "report": 3}
_FAILURES = 3  # that no strike explains, until a sweep is given up
_PASSES = {"training": 12, "mask change": 8, "validation": 2, "saving": 3}
"""How many of a phase go by at most before one is struck."""


@dataclass
class Soak:
    """Strikes sweeps until there have been enough kills.

    Attributes:
        folder: where the sweeps happen, in folders that are removed.
        findings: what has been found.
        chance: decides.
        minutes: no sweep begins after these.
        each: most kills in one sweep.
        pairs: trainings of two processes, one of which dies.
        disk_is_own: whether the folder's disk can be filled.
        shape: of the sweeps.
    """

    folder: Path
    findings: Findings
    chance: random.Random
    minutes: float
    each: int
    pairs: int
    disk_is_own: bool
    shape: Shape = field(default_factory=Shape)
    _typical: dict[str, float] = field(default_factory=dict)
    _seconds: float = 0.0

    @property
    def undisturbed(self) -> Path:
        """The folder of the undisturbed sweep."""
        return self.folder / "undisturbed"

    @property
    def tools(self) -> Path:
        """The folder for what is not part of a sweep."""
        return self.folder / "tools"

    def run(self) -> None:
        """Runs the undisturbed sweep, then the others."""
        self.run_undisturbed()
        self._strike_pairs()
        while self.findings.kills < self.findings.wanted and self.findings.seconds < 60 * self.minutes:
            self._strike_a_sweep()

    def run_undisturbed(self) -> None:
        """Runs the sweep that nothing strikes, and sees how long it takes.

        Raises:
            RuntimeError: it fails.
        """
        began = time.monotonic()
        sweep = Sweep(self.undisturbed, self.tools, self.shape)
        while not sweep.is_finished:
            ended = sweep.go_on(counts=1)
            if ended.status:
                raise RuntimeError(f"the undisturbed sweep fails: {ended.said[-1000:]}")
            self._typical |= durations(ended)
            for phase, calls, entries in zip(PHASES, sweep.board.calls, sweep.board.entries, strict=True):
                if calls:
                    self._typical[phase] = calls / min(entries, COUNTED)
        self._seconds = time.monotonic() - began
        self.findings.say(f"the undisturbed sweep has taken {self._seconds:.0f} s")

    def _strike_pairs(self) -> None:
        data = self.undisturbed / "data-bin" / "numbers.en-de"
        expected = Pair(data, self.folder / "pair").finish()
        for number in range(self.pairs):
            pair = Pair(data, self.folder / f"pair-{number}")
            key = self.findings.add("worker of two dies", "training", pair.kill_one(self.chance))
            self.findings.count_differing({key}, differing_in(pair.finish(), expected))

    def new_sweep(self) -> tuple[Sweep, Faults]:
        """A sweep, and what may strike it."""
        sweep = Sweep(self.folder / "struck", self.tools, self.shape)
        return sweep, Faults(sweep, self.findings, self.chance, self._typical, self.disk_is_own)

    def _strike_a_sweep(self) -> None:
        sweep, faults = self.new_sweep()
        before, struck = self.findings.kills, Counter[str]()
        while not sweep.is_finished and faults.failures < _FAILURES:
            kills = self.findings.kills
            is_enough = kills - before >= self.each or kills >= self.findings.wanted
            if is_enough and not sweep.at and sweep.first_without("scores.json") is not None:
                faults.kill_in("report")  # what comes last is struck too, however often what comes before it was
            else:
                self._strike(sweep, faults, struck)
        self.compare(sweep, faults)

    def compare(self, sweep: Sweep, faults: Faults) -> None:
        """Compares a sweep with the undisturbed one, and removes it; what differs is kept beside the JSON file."""
        found, broken = differing(sweep.folder, self.undisturbed), unreadable(sweep.folder)
        self.findings.end_sweep(faults.keys, faults.progress, found, broken)
        if found or broken or not sweep.is_finished:
            kept = self.findings.path.with_name(f"struck-{self.findings.sweeps}")
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(sweep.folder, kept)
            self.findings.say(f"what differs is kept in {kept}")
        shutil.rmtree(sweep.folder)

    def _strike(self, sweep: Sweep, faults: Faults, struck: Counter[str]) -> None:
        if sweep.at:
            self._strike_after_the_run(sweep, faults, struck)
            return
        run = sweep.first_without("trained.json")
        phases = self._phases_ahead(sweep, run)
        if run is not None and struck[run] >= self.each / len(self.shape.runs):
            phases = ["scoring" if run == self.shape.runs[-1] else "rung change"]  # on to the next one
        phases = [phase for phase in phases if struck[phase] < _MOST.get(phase, 99)]
        if not phases:
            faults.go_on()
            return
        hits = Counter[str]()
        for (_, phase), count in self.findings.count.items():
            hits[phase] += count
        phase = self.chance.choices(phases, [1 / (1 + hits[phase]) ** 2 for phase in phases])[0]
        struck.update([phase, *([run] if run is not None and sweep.has_data else [])])
        has_checkpoint = run is not None and (sweep.runs / run / "checkpoint_last.pt").exists()
        others = {
            "time": 2,
            "disk": 1,
            "clock": int(sweep.has_data),
            "truncated": 2 * (has_checkpoint and sweep.first_without("scores.json") == run),
        }
        match self.chance.choices(["kill", *others], [12, *others.values()])[0]:
            case "kill":
                faults.kill_in(phase, _PASSES.get(phase, 1))
            case "time":
                faults.kill_sometime(self._seconds / 10)
            case "disk":
                faults.fill_disk()
            case "clock":
                faults.set_the_clock(phase)
            case "truncated" if run is not None:
                faults.truncate(run)

    def _phases_ahead(self, sweep: Sweep, run: str | None) -> list[str]:
        """The phases that come soon."""
        if not sweep.has_data:
            return ["start", "data preparation", "between steps"]
        if run is None:
            return ["report"] if sweep.first_without("scores.json") is None else ["scoring", "between steps"]
        if sweep.first_without("scores.json") != run:  # what is trained is scored first
            return ["scoring", "between steps"]
        has_begun = (sweep.runs / run / "checkpoint_last.pt").exists()
        first = "start of a training" if has_begun or run.startswith("dense") else "rung change"
        return [first, "training", "validation", "saving", "marking", *(["mask change"] if "gmp" in run else [])]

    def _strike_after_the_run(self, sweep: Sweep, faults: Faults, struck: Counter[str]) -> None:
        phase = ("", "packing", "mask file", "translating")[sweep.at]
        struck[phase] += 1
        if phase == "translating":
            for name in (MODEL, MASK):
                faults.damage(name)
            faults.go_on()
        elif struck[phase] > 2:
            faults.go_on()
        else:
            faults.kill_in(phase)


def durations(ended: Ended) -> dict[str, float]:
    """Seconds that each phase of a command took when it came last."""
    entered = [
        (float(time_), phase) for time_, word, phase in (line.split(" ", 2) for line in ended.notes) if word == "enter"
    ]
    ends = [moment for moment, _ in entered[1:]] + [entered[0][0] + ended.seconds]
    return {phase: end - moment for (moment, phase), end in zip(entered, ends, strict=True)}
