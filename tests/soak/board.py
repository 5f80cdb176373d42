"""What a command and its processes tell while they run, in shared memory: whoever kills them can still read it."""

import mmap
import os
from pathlib import Path

PHASES = (
    "start",
    "data preparation",
    "between steps",
    "start of a training",
    "rung change",
    "training",
    "mask change",
    "validation",
    "saving",
    "marking",
    "scoring",
    "report",
    "packing",
    "mask file",
    "translating",
)
_FIELDS = 2 + 2 * len(PHASES)
_PHASE, _PROCESS = 0, 1


class Board:
    """A few numbers in a file that all processes map.

    Attributes:
        path: the file.
        entries: how often each phase was entered, by its number.
        calls: function calls counted in each phase, by its number.
    """

    def __init__(self, path: Path, is_new: bool = False) -> None:
        self.path = path
        if is_new:
            path.write_bytes(bytes(8 * _FIELDS))
        file = os.open(path, os.O_RDWR)
        self._numbers = memoryview(mmap.mmap(file, 8 * _FIELDS)).cast("q")
        os.close(file)
        self.entries = self._numbers[2 : 2 + len(PHASES)]
        self.calls = self._numbers[2 + len(PHASES) :]

    @property
    def phase(self) -> str:
        """The phase entered last."""
        return PHASES[self._numbers[_PHASE]]

    @property
    def process(self) -> int:
        """The process that entered it."""
        return self._numbers[_PROCESS]

    def be_in(self, phase: str) -> int:
        """Says where this process is; returns the number of the phase."""
        number = PHASES.index(phase)
        self._numbers[_PROCESS] = os.getpid()
        self._numbers[_PHASE] = number
        return number

    def clear(self) -> None:
        """As before a command."""
        for index in range(_FIELDS):
            self._numbers[index] = 0
