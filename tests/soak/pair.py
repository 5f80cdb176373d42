"""A training of two processes, of which one dies: the other ends too, and the same command ends with the same bytes."""

import random
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from tests import programs
from tests.soak.comparing import flat
from tests.tasks.test_data_parallel import GLOO, free_port
from tests.tasks.training import arguments

_FLAGS = (
    "--schedule cubic:interval=2 --sparsity 0.8 --max-update 30 --save-interval-updates 4 --keep-interval-updates 1"
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
        method = f"--distributed-init-method tcp://127.0.0.1:{free_port()}"
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
        """Kills one of them at a random update; returns what is wrong with how the other takes it."""
        processes, log = self.start(), self._folder / "0.log"
        at, deadline = chance.randint(1, 25), time.monotonic() + _LONGEST
        while all(process.is_alive() for process in processes) and time.monotonic() < deadline:
            if log.exists() and f'"num_updates": "{at}"' in log.read_text(errors="replace"):
                break
            time.sleep(0.005)
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
