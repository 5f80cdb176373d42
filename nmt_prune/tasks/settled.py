"""How far the masks of a checkpoint have come: to be learned still, final, or a longer schedule's to change."""

from nmt_prune.pruning.budgets.threshold import Threshold
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency import Saliency
from nmt_prune.pruning.saliency.learned import LearnedSaliency
from nmt_prune.pruning.schedules import Schedule
from nmt_prune.pruning.schedules.acdc import AcDc
from nmt_prune.tasks.origin import Origin

SETTLED = "settled"
"""In the task's state of a checkpoint: whether its masks are final."""


def how_far(pruner: Pruner, schedule: Schedule, origin: Origin, is_own: bool) -> tuple[bool, bool]:
    """Whether the masks of a checkpoint are final, and whether the schedule will change none any more."""
    saliency, update = pruner.saliency, origin.first_update
    is_reached = not _is_learning(saliency, origin) and pruner.has_reached(origin.checkpoint.masks, schedule.final)
    is_over = schedule.sparsity(update) >= schedule.final
    if isinstance(pruner.budget, Threshold):
        is_reached = is_over = update >= schedule.settled_at  # whatever sparsity has come of it
    elif isinstance(schedule, AcDc):  # as sparse as in the end by turns
        is_over = update >= schedule.settled_at
        is_reached = is_reached and is_over
    return is_reached or (is_own and _has_settled(saliency, origin)), is_over


def _is_learning(saliency: Saliency, origin: Origin) -> bool:
    """Whether the masks of a checkpoint were still to be learned, so that they are not held yet."""
    if not isinstance(saliency, LearnedSaliency):
        return False
    states = origin.checkpoint.state.get("task_state") or {}
    return origin.goes_on and saliency.is_unfinished(states.get(saliency.name) or {})


def _has_settled(saliency: Saliency, origin: Origin) -> bool:
    """Whether the masks of a checkpoint are final, whatever a longer schedule would make of them."""
    states = origin.checkpoint.state.get("task_state") or {}
    if SETTLED in states or not isinstance(saliency, LearnedSaliency):
        return bool(states.get(SETTLED))
    return saliency.has_settled(states.get(saliency.name) or {})  # as older checkpoints show it
