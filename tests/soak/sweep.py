"""A small sweep in a folder, by the commands that a user would give, each repeated until it has succeeded."""

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from nmt_prune.processes import exclusive
from tests import programs
from tests.soak.board import Board

RECIPE = """
name: small
corpus: {name: numbers, vocab_size: 100, size: 400, valid_size: 10, test_size: 10}
model:
  arch: masked_transformer_tiny
  encoder-embed-dim: 16
  decoder-embed-dim: 16
  encoder-layers: 1
  decoder-layers: 1
  share-all-embeddings: true
training:
  cpu: true
  max-update: UPDATES
  max-tokens: 400
  optimizer: adam
  lr: 0.01
  lr-scheduler: inverse_sqrt
  warmup-updates: 15
  criterion: label_smoothed_cross_entropy
  label-smoothing: 0.1
  log-interval: 5
  validate-interval: 1000
  save-interval: 1000
  save-interval-updates: 5
  validate-interval-updates: 10
  eval-bleu-args: {beam: 1, max_len_a: 1.2, max_len_b: 10}
generation: {beam: 1}
"""
MODEL, MASK = "model.nmt", "mask.safetensors"
LONGEST = 900.0  # seconds of a command, on a machine that others use too
UNTIL_DEAD = 30.0  # seconds until the last process of a killed command has ended


@dataclass(frozen=True)
class Shape:
    """How much there is to do.

    Attributes:
        rungs: of the ladder, in percent.
        techniques: what follows from a rung first, as it is on one core.
        updates: of a training.
    """

    rungs: tuple[int, ...] = (50, 80)
    techniques: tuple[str, ...] = ("slt", "gmp")
    updates: int = 40

    @property
    def recipe(self) -> str:
        """The recipe."""
        ladder = f"ladder: {list(self.rungs)}\ntechniques: [{', '.join(self.techniques)}]\n"
        return RECIPE.replace("UPDATES", str(self.updates)) + ladder

    @property
    def runs(self) -> tuple[str, ...]:
        """The names of the runs, in the order in which one core trains them."""
        return ("dense-seed1", *(f"{name}-{rung}-seed1" for name in self.techniques for rung in self.rungs))

    @property
    def commands(self) -> tuple[str, ...]:
        """What a user would type."""
        return (
            "run small.yaml --cores 1",
            f"pack runs/small/{self.runs[-1]}/checkpoint_best.pt --out {MODEL}",
            f"mask runs/small/dense-seed1/checkpoint_best.pt --sparsity 0.5 --out {MASK}",
            f"translate {MODEL} --beam 1 --input data-bin/numbers.en-de/raw/test.en --output translations.txt",
        )


@dataclass(frozen=True)
class Moment:
    """A SIGKILL from outside.

    Attributes:
        seconds: after the begin.
        phase: of what; None is of the command.
        victim: see ``Strike``.
    """

    seconds: float
    phase: str | None = None
    victim: str = "all"


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        status: exit status; negative is the number of a signal.
        phase: where it was then.
        said: all that it printed.
        notes: the lines that its processes have noted.
        seconds: how long it ran.
    """

    status: int
    phase: str
    said: str
    notes: list[str]
    seconds: float


@dataclass
class Sweep:
    """A sweep and how far it is.

    Attributes:
        folder: where it happens.
        tools: folder for what is not part of it.
        shape: how much there is to do.
        at: number of the command that comes next.
    """

    folder: Path
    tools: Path
    shape: Shape = field(default_factory=Shape)
    at: int = 0
    board: Board = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.tools.mkdir(parents=True, exist_ok=True)
        (self.folder / "small.yaml").write_text(self.shape.recipe, encoding="utf-8")
        self.board = Board(self.tools / "board", is_new=True)

    @property
    def is_finished(self) -> bool:
        """Whether all commands have succeeded."""
        return self.at == len(self.shape.commands)

    @property
    def runs(self) -> Path:
        """The folder of the runs."""
        return self.folder / "runs" / "small"

    @property
    def has_data(self) -> bool:
        """Whether the data are prepared."""
        return (self.folder / "data-bin").exists()

    def first_without(self, marker: str) -> str | None:
        """The first run that lacks a marker; None where all have it."""
        return next((run for run in self.shape.runs if not (self.runs / run / marker).exists()), None)

    def go_on(self, moment: Moment | None = None, **variables: object) -> Ended:
        """Starts the next command.

        Args:
            moment: when it is killed.
            variables: ``SOAK_`` variables, without that, in small letters.
        """
        ended = self.call(self.shape.commands[self.at], moment, **variables)
        self.at += ended.status == 0
        return ended

    def call(self, command: str, moment: Moment | None = None, **variables: object) -> Ended:
        """Runs a command of ``nmt-prune`` in the folder; see :meth:`go_on`."""
        self.board.clear()
        said, log = self.tools / "said.txt", self.tools / "notes.txt"
        for path in (said, log):
            path.write_bytes(b"")
        own = {"BOARD": self.board.path, "LOG": log, "ALIVE": self.tools / "alive"}
        own |= {name.upper(): value for name, value in variables.items()}
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        environment |= {f"SOAK_{name}": str(value) for name, value in own.items()}
        process = programs.start("tests.soak.command", command.split(), said, None, self.folder, environment)
        began = time.monotonic()
        try:
            if moment is not None:
                self._strike(process, moment)
            process.join(LONGEST)
        finally:
            if process.is_alive():
                self._kill(process, "all")
            process.join()
            with exclusive(self.tools / "alive", "a sweep whose command has been killed", UNTIL_DEAD):
                pass  # all processes that held it are gone
        status = process.exitcode if process.exitcode is not None else 1
        said_, notes = (path.read_text(errors="replace") for path in (said, log))
        return Ended(status, self.board.phase, said_, notes.splitlines(), time.monotonic() - began)

    def _strike(self, process: BaseProcess, moment: Moment) -> None:
        while moment.phase not in (None, self.board.phase) and process.is_alive():
            time.sleep(0.002)
        process.join(moment.seconds)
        if process.is_alive():
            self._kill(process, moment.victim)

    def _kill(self, process: BaseProcess, victim: str) -> None:
        """Kills a command, which has other groups of processes than that of its first one."""
        first, at_work = process.pid or 0, self.board.process or process.pid or 0
        with suppress(ProcessLookupError):
            if victim != "worker":
                os.kill(first, signal.SIGKILL)
            if victim == "all" and os.getpgid(at_work) == os.getsid(at_work):
                os.killpg(os.getpgid(at_work), signal.SIGKILL)
            if victim == "worker":
                os.kill(at_work, signal.SIGKILL)
