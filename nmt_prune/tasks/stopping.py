"""A training that a scheduler stops saves where it is; the same command goes on as if nothing had been.

fairseq has nothing of the kind: a signal ends it at once, and what it did since its last checkpoint is lost.
"""

import logging
import math
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import wraps
from types import FrameType, ModuleType
from typing import Any

import torch
from fairseq import checkpoint_utils

from nmt_prune.processes import HAS_STOPPED, STOPPED
from nmt_prune.tasks.workers import is_distributed, wait_for_master

logger = logging.getLogger(__name__)

_asked: list[signal.Signals] = []


def training_programs() -> list[ModuleType]:
    """The modules that may run a training: ``python -m fairseq_cli.train`` and torchrun run a copy of fairseq's."""
    programs = (sys.modules.get(name) for name in ("__main__", "fairseq_cli.train"))
    return [program for program in programs if program is not None and hasattr(program, "validate_and_save")]


def stop_when_asked() -> None:
    """Has trainings of this process save on SIGTERM or SIGUSR1, when an update is over, and end with status 75.

    Of several processes that train together all save if one is asked by SIGUSR1. SIGTERM still ends each of them at
    once: it is how torch ends the others when one of them has died, and they would wait for that one.
    """
    _asked.clear()
    for program in training_programs():
        if not hasattr(program.validate_and_save, "__wrapped__"):
            vars(program)["validate_and_save"] = _stopping(program.validate_and_save)
            vars(program)["train"] = _listening(program.train)


def _listening(train: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(train)
    def train_an_epoch(cfg: Any, trainer: Any, *arguments: Any) -> Any:
        if trainer.get_num_updates() >= (cfg.optimization.max_update or math.inf):
            return [None], True  # it was killed after its last save; fairseq would look after one update more
        saves = not (cfg.checkpoint.no_save or cfg.checkpoint.no_last_checkpoints)
        with _requests() if saves else nullcontext():
            return train(cfg, trainer, *arguments)

    return train_an_epoch


def _stopping(validate_and_save: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(validate_and_save)
    def go_on_or_stop(
        cfg: Any, trainer: Any, task: Any, epoch_itr: Any, valid_subsets: Any, end_of_epoch: bool
    ) -> tuple[Any, bool]:
        losses, is_over = validate_and_save(cfg, trainer, task, epoch_itr, valid_subsets, end_of_epoch)
        # What fairseq does between two epochs is lost when it goes on from there, and so is the score of what was just
        # validated and saved: rather one update more.
        if _is_asked(trainer) and not (is_over or end_of_epoch or losses[0] is not None):
            # Without a score: an additional validation could choose another best checkpoint.
            checkpoint_utils.save_checkpoint(cfg.checkpoint, trainer, epoch_itr, None)
            wait_for_master()  # torch ends all processes when the first of them has ended, even one that is saving
            logger.info(f"{HAS_STOPPED} {trainer.get_num_updates()}; repeat the command to go on")
            raise SystemExit(STOPPED)
        return losses, is_over

    return go_on_or_stop


def _is_asked(trainer: Any) -> bool:
    if not is_distributed():
        return bool(_asked)
    # All or none: who went on alone would wait for the others.
    asked = torch.tensor(int(bool(_asked)), device=trainer.device)
    torch.distributed.all_reduce(asked, torch.distributed.ReduceOp.MAX)
    return bool(asked.item())


@contextmanager
def _requests() -> Iterator[None]:
    """Collects requests to stop; before and after they end the process at once, but not while it ends after saving."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    requests = [signal.SIGUSR1] if is_distributed() else [signal.SIGUSR1, signal.SIGTERM]
    with ExitStack() as restored:
        for request in requests:
            restored.callback(signal.signal, request, signal.signal(request, _ask))
        try:
            yield
        except SystemExit as end:
            if end.code == STOPPED:
                restored.pop_all()
                for request in requests:
                    signal.signal(request, signal.SIG_IGN)  # Python lets go of its own handlers before it ends
            raise


def _ask(number: int, frame: FrameType | None) -> None:
    _asked.append(signal.Signals(number))
