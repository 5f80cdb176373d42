"""The learning rate scheduler of a training, which fairseq hands to no task."""

import sys
from typing import Any

from fairseq.optim.lr_scheduler import FairseqLRScheduler
from fairseq.trainer import Trainer


def scheduler_of(optimizer: Any) -> FairseqLRScheduler | None:
    """The scheduler that drives an optimizer: that of the trainer from which this call comes.

    Args:
        optimizer: fairseq's, as its trainer gives it to the task; None comes back where no trainer does.
    """
    frame = sys._getframe().f_back
    while frame is not None:
        trainer = frame.f_locals.get("self")
        if isinstance(trainer, Trainer) and trainer.optimizer is optimizer:
            return trainer.lr_scheduler
        frame = frame.f_back
    return None
