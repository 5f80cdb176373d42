"""A learning rate that returns to its peak whenever the mask changes: ``--lr-scheduler cyclic_rewarm``."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, List, Optional  # noqa: UP035 (fairseq's argument parser knows these alone)

from fairseq.dataclass import FairseqDataclass
from fairseq.optim.lr_scheduler import FairseqLRScheduler, register_lr_scheduler
from omegaconf import II

from nmt_prune.errors import PruneError, exit_on_error
from nmt_prune.pruning.schedules import schedules


@dataclass
class CyclicRewarmConfig(FairseqDataclass):
    """The flags; cycles are those of the task's ``--schedule``."""

    warmup_updates: int = field(
        default=0, metadata={"help": "warmup the learning rate linearly for the first N updates"}
    )
    end_learning_rate: float = field(default=0.0, metadata={"help": "learning rate that each cycle ends with"})
    lr: List[float] = II("optimization.lr")  # noqa: UP006, RUF009
    max_update: int = II("optimization.max_update")
    schedule: str = II("task.schedule")
    sparsity: Optional[float] = II("task.sparsity")  # noqa: UP045


def cyclic_rate(update: int, peak: float, end: float, warmup: int, changes: Sequence[int], last: int) -> float:
    """The learning rate of the update that follows ``update`` others (GMP*, Kurtic & Alistarh 2022).

    Linear from the peak, at a change of the mask, to ``end`` at the next; the last cycle is as long as the training.
    In the warm-up all of it is multiplied by the share of the warm-up that is over.

    Args:
        update: number of updates so far.
        peak: the learning rate right after a change.
        end: the one right before.
        warmup: length of the warm-up.
        changes: updates after which the mask changes, in ascending order.
        last: number of updates of the training.
    """
    borders = [0, *changes, last]
    cycle = min(bisect_right(borders, update), len(borders) - 1)
    begin, over = borders[cycle - 1], borders[cycle]
    progress = min(1.0, (update - begin) / max(1, over - begin))
    return (peak + (end - peak) * progress) * (min(1.0, update / warmup) if warmup else 1.0)


@register_lr_scheduler("cyclic_rewarm", dataclass=CyclicRewarmConfig)
class CyclicRewarm(FairseqLRScheduler):
    """Linear decay from the peak between two changes of the mask, re-warmed at each, the last cycle to the end."""

    def __init__(self, cfg: Any, optimizer: Any) -> None:
        super().__init__(cfg, optimizer)
        with exit_on_error():
            if len(cfg.lr) > 1:
                raise PruneError("--lr-scheduler cyclic_rewarm has one peak: give --lr one value")
            if cfg.max_update <= 0:
                raise PruneError("--lr-scheduler cyclic_rewarm: give --max-update, where the last cycle ends")
            schedule = schedules.build(cfg.schedule, final=cfg.sparsity or 0.0, max_update=cfg.max_update)
            self._changes = [update for update in range(1, cfg.max_update) if schedule.changes_at(update)]
            if not self._changes:
                raise PruneError(
                    f"--lr-scheduler cyclic_rewarm does nothing here: --schedule {cfg.schedule} changes no mask; give"
                    " e.g. --schedule cubic, or another scheduler (--lr-scheduler polynomial_decay)"
                )
        self.step_update(0)

    def step_update(self, num_updates: int) -> float:
        """Sets the learning rate of the next update."""
        cfg = self.cfg
        rate = cyclic_rate(
            num_updates, cfg.lr[0], cfg.end_learning_rate, cfg.warmup_updates, self._changes, cfg.max_update
        )
        self.optimizer.set_lr(rate)
        return float(self.optimizer.get_lr())
