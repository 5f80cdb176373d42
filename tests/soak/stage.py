"""In the processes of a command: says which phase they are in, and ends them where they are told to be struck."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any

from tests.soak.board import PHASES, Board

VICTIMS = {"all": "SIGKILL of all", "runner": "SIGKILL of the runner", "worker": "SIGKILL of the step"}

BRIEF = frozenset({"training", "mask change", "validation", "saving", "marking"})
"""Phases too short to be struck from outside: a process strikes itself, at a function call."""

COUNTED = 2
"""How many brief phases of a kind have their function calls counted."""


@dataclass(frozen=True)
class Strike:
    """A SIGKILL to come.

    Attributes:
        phase: where.
        entry: the how manieth of these phases, from 1 on.
        calls: function calls in that phase before it; if it has fewer, in the next one.
        victim: all processes of the command, its first one alone, or the one at work alone.
    """

    phase: str
    entry: int = 1
    calls: int = 0
    victim: str = "all"

    def __str__(self) -> str:
        return json.dumps(asdict(self))


class Stage:
    """The phases of this process and of those that it starts.

    Args:
        board: where they are told.
        log: where updates and saves are noted.
        strike: what is to come; None counts calls only.
        counts: whether to count calls, which takes time.
    """

    def __init__(self, board: Board, log: Path, strike: Strike | None, counts: bool) -> None:
        self._board, self._strike, self._counts = board, strike, counts
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._main = os.getpid()
        self._target = -1 if strike is None else PHASES.index(strike.phase)

    @property
    def log(self) -> int:
        """The open file of the notes."""
        return self._log

    def note(self, *words: object) -> None:
        """Appends a line, whole or not at all."""
        os.write(self._log, f"{time.monotonic():.6f} {' '.join(map(str, words))}\n".encode())

    def enter(self, phase: str) -> None:
        """From here on this is the phase."""
        number = self._board.be_in(phase)
        self._board.entries[number] += 1
        self.note("enter", phase)
        self._watch(number)

    @contextmanager
    def within(self, phase: str) -> Iterator[None]:
        """While it lasts this is the phase, then again what it was before."""
        before = self._board.phase
        self.enter(phase)
        try:
            yield
        finally:
            self._watch(self._board.be_in(before))
            self.note("leave", phase)

    def around(self, owner: Any, name: str, phase: str) -> None:
        """Has a function be a phase."""
        function = getattr(owner, name)

        @wraps(function)
        def wrapped(*arguments: Any, **settings: Any) -> Any:
            with self.within(phase):
                return function(*arguments, **settings)

        setattr(owner, name, wrapped)

    def before(self, owner: Any, name: str, phase: str) -> None:
        """Has a function begin a phase."""
        function = getattr(owner, name)

        @wraps(function)
        def wrapped(*arguments: Any, **settings: Any) -> Any:
            self.enter(phase)
            return function(*arguments, **settings)

        setattr(owner, name, wrapped)

    def after(self, owner: Any, name: str, call: Callable[..., None]) -> None:
        """Has something done after a function, with its arguments."""
        function = getattr(owner, name)

        @wraps(function)
        def wrapped(*arguments: Any, **settings: Any) -> Any:
            result = function(*arguments, **settings)
            call(*arguments)
            return result

        setattr(owner, name, wrapped)

    def _watch(self, number: int) -> None:
        """Counts the function calls of this process in a phase, if that is of use: it takes time."""
        sys.setprofile(None)
        calls, entry = self._board.calls, self._board.entries[number]
        if self._strike is None:
            if self._counts and PHASES[number] in BRIEF and entry <= COUNTED:
                sys.setprofile(lambda *_: calls.__setitem__(number, calls[number] + 1))
        elif number == self._target and entry >= self._strike.entry:
            left = self._strike.calls

            def count_down(frame: FrameType, event: str, argument: Any) -> None:
                nonlocal left
                left -= 1
                if left < 0:
                    self._kill(self._strike.victim)

            sys.setprofile(count_down)

    def _kill(self, victim: str) -> None:
        self.note("killed", victim)
        if victim in ("all", "runner"):
            os.kill(self._main, signal.SIGKILL)  # the others die with it, some milliseconds later
        if victim == "all":
            os.killpg(0, signal.SIGKILL)
        if victim == "worker":
            os.kill(os.getpid(), signal.SIGKILL)


def of_environment(variables: Mapping[str, str]) -> Stage:
    """The stage that a command is told of."""
    strike = Strike(**json.loads(variables["SOAK_STRIKE"])) if "SOAK_STRIKE" in variables else None
    return Stage(Board(Path(variables["SOAK_BOARD"])), Path(variables["SOAK_LOG"]), strike, "SOAK_COUNTS" in variables)
