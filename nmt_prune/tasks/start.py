"""How a training starts, and what all ways of it have in common."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.criterions.teachers import teaching
from nmt_prune.pruning.departure import Departure
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.schedules import Schedule
from nmt_prune.pruning.settings import PruningSettings
from nmt_prune.tasks.config import TranslationPruningConfig, criterion_of
from nmt_prune.tasks.origin import DEFAULT_RESTORE_FILE, Origin, asked_resets, restoring
from nmt_prune.tasks.refusals import refuse_denser_best, refuse_incompatible, refuse_unreachable_average


@dataclass(frozen=True)
class Start:
    """How a training starts.

    Attributes:
        schedule: the schedule for the rest of the training.
        departure: what a resumed training needs to know of the start, kept in every checkpoint.
        first_update: number of updates done.
        origin: the checkpoint that fairseq is about to load; None for fresh weights and for a new ticket.
        is_final: whether the mask that the schedule leads to is there already.
        best_is_denser: whether the best validation score so far is that of a denser model.
    """

    schedule: Schedule
    departure: Departure
    first_update: int = 0
    origin: Origin | None = None
    is_final: bool = False
    best_is_denser: bool = False


def completed(
    departure: Departure, cfg: TranslationPruningConfig, settings: PruningSettings, first_update: int
) -> Departure:
    """What is known of the start by its masks, with what the flags and its first update say."""
    restored = {} if cfg.restore_file == DEFAULT_RESTORE_FILE else restoring(Path(cfg.restore_file))
    flags = deciding_flags(cfg, settings)
    return replace(departure, first_update=first_update, flags=flags, resets=asked_resets(cfg), restored=restored)


def deciding_flags(cfg: TranslationPruningConfig, settings: PruningSettings) -> dict[str, Any]:
    """Everything that decides the start, by flag."""
    return {
        **settings.decisions(),
        "regulariser": cfg.regulariser,
        "quantizer": cfg.quantizer,
        "sparse_lr": cfg.sparse_lr,
        **teaching(criterion_of(cfg)),
    }


def possible_schedule(
    cfg: TranslationPruningConfig, settings: PruningSettings, pruner: Pruner, departure: Departure
) -> Schedule:
    """Builds the schedule.

    Raises:
        PruneError: with it other flags ask for what cannot be.
    """
    schedule = settings.build_schedule(departure)
    refuse_unreachable_average(cfg, schedule)
    refuse_denser_best(cfg, schedule)
    refuse_incompatible(cfg, pruner, schedule)
    return schedule


def best_is_denser_of(checkpoint: Checkpoint) -> bool:
    """Whether the best validation score that a checkpoint notes is that of a denser model."""
    return bool((checkpoint.state.get("task_state") or {}).get("best_is_denser"))
