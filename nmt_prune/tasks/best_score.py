"""fairseq's memory of the best validation score.

By it ``checkpoint_best.pt`` is chosen, the patience lost, and the learning rate of ``reduce_lr_on_plateau`` lowered.
"""

from typing import Any

from fairseq import checkpoint_utils
from torch.optim.lr_scheduler import ReduceLROnPlateau

from nmt_prune.tasks.stopping import training_programs


def forget_best(scheduler: Any = None) -> None:
    """Makes the next validation count as the first.

    fairseq keeps what it remembers as attributes of two functions, and in the scheduler.

    Args:
        scheduler: fairseq's scheduler of the learning rate; None where nothing has been trained yet.
    """
    stops = (program.should_stop_early for program in training_programs())
    for function in (checkpoint_utils.save_checkpoint, *stops):
        vars(function).pop("best", None)
    if plateau := _plateau(scheduler):
        plateau.best, plateau.num_bad_epochs = plateau.mode_worse, 0


def begin_without_best(scheduler: Any) -> Any:
    """Lets ``reduce_lr_on_plateau`` go on after a scheduler that follows no scores, and so has no best one.

    Args:
        scheduler: fairseq's scheduler of the learning rate, as a checkpoint left it; it is returned.
    """
    if (plateau := _plateau(scheduler)) and plateau.best is None:
        plateau.best = plateau.mode_worse
    return scheduler


def _plateau(scheduler: Any) -> ReduceLROnPlateau | None:
    found = getattr(scheduler, "lr_scheduler", None)
    return found if isinstance(found, ReduceLROnPlateau) else None
