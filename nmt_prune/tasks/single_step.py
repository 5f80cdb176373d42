"""Budgets whose sparsity is their own: they prune once, and no schedule leads there by steps."""

from nmt_prune.errors import PruneError
from nmt_prune.pruning.budgets.threshold import Threshold
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.schedules import Schedule
from nmt_prune.tasks.config import TranslationPruningConfig


def refuse_steps(cfg: TranslationPruningConfig, pruner: Pruner, schedule: Schedule) -> None:
    """Refuses sparsities on the way to the final one.

    Raises:
        PruneError: the schedule has some, and the budget knows but one.
    """
    if not pruner.budget.prunes_at_once:
        return
    changes = [update for update in range(1, schedule.settled_at + 1) if schedule.changes_at(update)]
    on_the_way = [step for step in map(schedule.sparsity, [0, *changes]) if schedule.inherited < step < schedule.final]
    if on_the_way or (isinstance(pruner.budget, Threshold) and len(changes) > 1):
        name = cfg.budget.partition(":")[0]
        raise PruneError(
            f"--budget {name} prunes at once, and --schedule {cfg.schedule} in {len(changes)} steps: leave --schedule"
            " out, or give oneshot:at=UPDATE"
        )


def refuse_late_threshold(schedule: Schedule, first_update: int, origin: str) -> None:
    """Refuses a threshold where training begins after the only update at which it prunes.

    Args:
        schedule: the schedule.
        first_update: number of updates done at the start.
        origin: what it goes on from.

    Raises:
        PruneError: nothing would be pruned.
    """
    if first_update >= schedule.settled_at:
        raise PruneError(
            f"{origin} goes on at update {first_update}, where --budget threshold prunes no more: give it with"
            " --mask-from to prune it at once, or give --schedule oneshot:at=UPDATE a later one"
        )
