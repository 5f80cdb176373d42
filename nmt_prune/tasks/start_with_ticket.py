"""The start with a ticket, which fairseq is given to load like any other checkpoint."""

import logging
from pathlib import Path
from typing import Any

from fairseq.criterions import CRITERION_REGISTRY

from nmt_prune.checkpoints import Checkpoint, save
from nmt_prune.pruning.budgets.threshold import Threshold
from nmt_prune.pruning.departure import Departure
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency import Evidence
from nmt_prune.pruning.settings import PruningSettings
from nmt_prune.tasks import provenance
from nmt_prune.tasks.config import TranslationPruningConfig, criterion_of
from nmt_prune.tasks.fitting import check_fits
from nmt_prune.tasks.going_on import refuse_foreign_optimizer
from nmt_prune.tasks.origin import last_checkpoint
from nmt_prune.tasks.refusals import refuse_late_start
from nmt_prune.tasks.rewind_points import refuse_unwritten_points
from nmt_prune.tasks.single_step import refuse_late_threshold
from nmt_prune.tasks.start import Start, best_is_denser_of, completed, possible_schedule
from nmt_prune.tasks.workers import is_master, wait_for_master

logger = logging.getLogger(__name__)


def start_with_ticket(
    cfg: TranslationPruningConfig, settings: PruningSettings, pruner: Pruner, model: Any, evidence: Evidence
) -> Start:
    """Writes the ticket for fairseq to load.

    Arguments and errors are those of :func:`nmt_prune.tasks.starting.start`.
    """
    last = last_checkpoint(cfg)
    if is_master():
        state, found = settings.ticket(evidence)
        first_update = state["optimizer_history"][-1]["num_updates"]
        departure = completed(Departure.of(found), cfg, settings, first_update)
        schedule = possible_schedule(cfg, settings, pruner, departure)
        refuse_late_start(cfg, schedule, first_update)
        if isinstance(pruner.budget, Threshold) and schedule.settled_at > 0:
            refuse_late_threshold(schedule, first_update, f"--clock {cfg.clock}")
        refuse_unwritten_points(cfg, first_update)
        check_fits(cfg, Checkpoint(Path(str(cfg.mask_from)), state), model, str(cfg.mask_from))
        if cfg.store_ema:
            # fairseq fails where it would make the average anew from a checkpoint without one.
            state["extra_state"]["ema"] = state["model"]
        if (criterion := criterion_of(cfg)) is not None:
            # fairseq goes on with an optimizer of the same criterion only; none of these has a state of its own.
            state["optimizer_history"][-1]["criterion_name"] = CRITERION_REGISTRY[criterion._name].__name__
        if state["last_optimizer_state"] is not None:
            source = f"--clock {cfg.clock} goes on after a training"
            refuse_foreign_optimizer(cfg, state["optimizer_history"][-1], source, "or --clock restart")
        state["task_state"]["start"] = departure.as_json()
        # The provenance first: a ticket without it would look like a training that has been going on.
        noted = {**found, provenance.PASSES: evidence.passes.count, "flags": departure.flags}
        provenance.write(cfg.save_dir, noted)
        save(state, last)
        logger.info(f"wrote the ticket {last}: {_asked(settings)}, masks {found['masks'][:12]}")
    wait_for_master()
    ticket = Checkpoint.load(last)
    departure = Departure.of(ticket.state["task_state"]["start"])
    schedule, is_denser = possible_schedule(cfg, settings, pruner, departure), best_is_denser_of(ticket)
    return Start(schedule, departure, ticket.num_updates, best_is_denser=is_denser)


def _asked(settings: PruningSettings) -> str:
    if settings.sparsity is None:
        return f"the mask of {settings.mask_from}, since there is no --sparsity"
    return f"sparsity {settings.sparsity} of {settings.mask_from}"
