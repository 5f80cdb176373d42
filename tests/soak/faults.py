"""The faults: each strikes a sweep once, and says what is wrong with how it was taken."""

import os
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from tests.soak import disk
from tests.soak.findings import Findings, Key
from tests.soak.progress import Progress
from tests.soak.stage import BRIEF, VICTIMS, Strike
from tests.soak.sweep import MASK, MODEL, Ended, Moment, Sweep

_LARGEST = 400_000  # bytes: more than a checkpoint has
_YEAR = 365.0


class Faults:
    """Strikes a sweep.

    Args:
        sweep: the sweep.
        findings: where faults are counted.
        chance: decides.
        typical: seconds that a phase takes; function calls for a brief one.
        disk_is_own: whether its disk can be filled.
    """

    def __init__(
        self, sweep: Sweep, findings: Findings, chance: random.Random, typical: dict[str, float], disk_is_own: bool
    ) -> None:
        self.progress, self.keys, self.failures = Progress(), set[Key](), 0
        self._sweep, self._findings, self._chance = sweep, findings, chance
        self._typical, self._disk_is_own = typical, disk_is_own

    def _add(self, fault: str, phase: str, wrong: list[str]) -> None:
        self.keys.add(self._findings.add(fault, phase, wrong))

    def kill_in(self, phase: str, most: int = 1, **variables: object) -> None:
        """SIGKILL at a random moment of one of the next phases of a kind."""
        victim = self._chance.choices(list(VICTIMS), (3, 1, 2 * self._is_alone(phase)))[0]
        typical = self._typical.get(phase, 1.0)
        if phase in BRIEF:
            calls = self._chance.randint(0, int(typical))
            self.kill_at(Strike(phase, self._chance.randint(1, most), calls, victim), **variables)
        else:
            self.kill_at(Moment(self._chance.uniform(0, typical), phase, victim), **variables)

    def kill_at(self, moment: Strike | Moment, **variables: object) -> None:
        """SIGKILL by a process of the command itself, or from outside."""
        if isinstance(moment, Strike):
            ended = self._sweep.go_on(strike=moment, **variables)
        else:
            ended = self._sweep.go_on(moment, **variables)
        self._killed(ended, VICTIMS[moment.victim])

    def _is_alone(self, phase: str) -> bool:
        """Whether a command ends when its step fails, and does not go on with what can be done without it."""
        first, *_, last = self._sweep.shape.runs
        return phase != "scoring" and self._sweep.first_without("trained.json") in (first, last, None)

    def kill_sometime(self, seconds: float) -> None:
        """SIGKILL at a random moment."""
        self._killed(self._sweep.go_on(Moment(self._chance.uniform(0, seconds))), f"{VICTIMS['all']}, at any time")

    def _killed(self, ended: Ended, fault: str) -> None:
        wrong = self.progress.look(self._sweep, ended)
        if ended.status > 0:
            unlike = one_line(ended, "killed by SIGKILL|runner failed")
            self.failures += bool(unlike)
            wrong += unlike
        if ended.status or wrong:  # else it was quicker
            self._add(fault, ended.phase, wrong)

    def go_on(self) -> bool:
        """Nothing strikes; whether the command has succeeded."""
        ended = self._sweep.go_on()
        wrong = self.progress.look(self._sweep, ended)
        if ended.status:
            self.failures += 1
            wrong += [f"the same command ends with status {ended.status}: {ended.said.strip()[-400:]}"]
        if wrong:
            self._add("none", ended.phase, wrong)
        return ended.status == 0

    def truncate(self, run: str) -> None:
        """Half of the last checkpoint is gone: the training goes on from the one before, and says so."""
        folder = self._sweep.runs / run
        last, log = folder / "checkpoint_last.pt", folder / "train.log"
        last.write_bytes(last.read_bytes()[: self._chance.randrange(last.stat().st_size)])
        before = max((updates for path, updates in whole(folder) if path != last), default=0)
        self.progress.saved[run] = min(before, self.progress.saved.get(run, 0))
        start = log.stat().st_size
        self.kill_in("validation", 2)
        said = log.read_text(errors="replace")[start:]
        wrong = []
        if not re.search(r"was truncated; training (goes on from checkpoint\S+\.pt|starts anew)", said):
            wrong.append("nothing was said of the truncated checkpoint")
        first = re.search(r"Loaded checkpoint .* @ (\d+) updates", said)
        if (int(first[1]) if first else 0) != before:
            wrong.append(f"{run} went on from {first[1] if first else 0}, not {before}")
        self._add("last checkpoint truncated", "training", wrong)

    def fill_disk(self) -> None:
        """Nothing more can be written: one line says so."""
        left = self._chance.randint(0, _LARGEST)
        if self._disk_is_own:
            with disk.full(self._sweep.folder, left):
                ended = self._sweep.go_on()
        else:
            ended = self._sweep.go_on(largest=left)
        wrong = self.progress.look(self._sweep, ended)
        if ended.status:
            self._add("disk full", ended.phase, wrong + one_line(ended, "No space left on device|File too large"))

    def damage(self, name: str) -> None:
        """A file is cut or has a bit flipped: who reads it refuses it in one line, and it is made again."""
        path = self._sweep.folder / name
        content = bytearray(path.read_bytes())
        start = 8 + int.from_bytes(content[:8], "little")  # of the tensors in a safetensors file
        if self._chance.random() < 0.5:
            del content[self._chance.randrange(len(content)) :]
        else:
            content[self._chance.randrange(start, len(content))] ^= 1 << self._chance.randrange(8)
        path.write_bytes(content)
        commands = self._sweep.shape.commands
        ended = self._sweep.call(commands[-1] if name == MODEL else f"inspect {name}")
        wrong = ["it was taken"] if ended.status == 0 else one_line(ended, re.escape(name))
        again = self._sweep.call(next(command for command in commands if command.endswith(f"--out {name}")))
        wrong += ["it was not made again"] if again.status else []
        self._add("mask file damaged" if name == MASK else "packed model damaged", "between commands", wrong)

    def set_the_clock(self, phase: str) -> None:
        """The clock jumps while nothing runs: files and the time itself are of the past or of the future."""
        now = time.time()
        for path in self._sweep.folder.rglob("*"):
            moment = now + 86400 * self._chance.uniform(-_YEAR, _YEAR)
            os.utime(path, (moment, moment))
        self.kill_in(phase, 2, clock=self._chance.uniform(-_YEAR, _YEAR))
        self._add("clock jumped", "between commands", [])


def one_line(ended: Ended, reason: str) -> list[str]:
    """What is wrong with how a command has said why it failed."""
    lines = [line for line in ended.said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("nmt-prune: error: ")]
    if len(errors) == 1 and re.search(reason, errors[0]) and "Traceback" not in ended.said:
        return []
    return [f"status {ended.status}, and it said: {' / '.join(lines[-3:])[:400]}"]


def whole(folder: Path) -> Iterator[tuple[Path, int]]:
    """The checkpoints of a run that can be gone on from, each with its updates."""
    for path in folder.glob("checkpoint*.pt"):
        try:
            checkpoint = Checkpoint.load(path)
        except PruneError:
            continue
        if checkpoint.has_optimizer:
            yield path, checkpoint.num_updates
