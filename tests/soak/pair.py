"""A training of two processes, of which one dies: the other ends too, and the same command ends with the same bytes."""

import random
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from tests import programs
from tests.ports import free_ports
from tests.soak.comparing import flat
from tests.tasks.test_data_parallel import GLOO
from tests.tasks.training import arguments

_EVERY, _SAVES = 5, 8
_FLAGS = (
    f"--schedule cubic:interval=2 --sparsity 0.8 --max-update {_EVERY * _SAVES + 20} --save-interval-updates {_EVERY}"
    " --max-tokens 100"
)
_LONGEST = 120.0  # seconds
_UNTIL_DEAD = 60.0  # seconds in which the other process notices


class Pair:
    """Trains with two processes in a folder.

    Args:
        data: the data folder.
        folder: where; the states of both come to lie there.
    """

    def __init__(self, data: Path, folder: Path) -> None:
        folder.mkdir()
        self._data, self._folder = data, folder

    def start(self) -> list[BaseProcess]:
        """Starts both."""
        method = f"--distributed-init-method tcp://127.0.0.1:{free_ports(1)[0]}"
        started = []
        for rank in range(2):
            words = arguments(
                self._data, self._folder / "run", _FLAGS, GLOO, method, f"--distributed-rank {rank}", "--num-workers 0"
            )
            log = self._folder / f"{rank}.log"
            started.append(programs.start("tests.tasks.worker", [self._folder / f"{rank}.pt", 0, *words], log))
        return started

    def finish(self) -> dict[str, bytes]:
        """Trains to the end; returns weights, masks and optimizer state of both.

        Raises:
            RuntimeError: it fails.
        """
        processes = self.start()
        _join(processes, _LONGEST)
        if any(process.exitcode for process in processes):
            said = "".join((self._folder / f"{rank}.log").read_text()[-1000:] for rank in range(2))
            raise RuntimeError(f"two processes do not train to the end: {said}")
        states: dict[str, Any] = {
            str(rank): torch.load(self._folder / f"{rank}.pt", weights_only=False) for rank in range(2)
        }
        return dict(flat(states))

    def kill_one(self, chance: random.Random) -> list[str]:
        """Kills one of them some time after a random save; returns what is wrong with how the other takes it."""
        processes, deadline = self.start(), time.monotonic() + _LONGEST
        saved = f"run/checkpoint_*_{_EVERY * chance.randint(1, _SAVES)}.pt"
        while not any(self._folder.glob(saved)) and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.1))
        if not all(process.is_alive() for process in processes):
            _join(processes, 0)
            return ["a training of two processes ends before it could be struck"]
        victim = chance.choice(processes)
        victim.kill()
        _join(processes, _UNTIL_DEAD)
        (other,) = (process for process in processes if process is not victim)
        return [] if other.exitcode else [f"the other process ends with status {other.exitcode}"]


def _join(processes: list[BaseProcess], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
    is_late = any(process.is_alive() for process in processes)
    for process in processes:
        process.kill()
        process.join()
    if is_late:
        raise RuntimeError("a training of two processes does not end")
