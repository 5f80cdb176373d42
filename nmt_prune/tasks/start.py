"""How a training starts: resumed, from a ticket, pruned at initialisation, or dense."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fairseq.criterions import CRITERION_REGISTRY

from nmt_prune.checkpoints import Checkpoint, save
from nmt_prune.criterions.teachers import teaching
from nmt_prune.errors import PruneError
from nmt_prune.pruning.budgets.threshold import Threshold
from nmt_prune.pruning.departure import Departure
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency import Evidence
from nmt_prune.pruning.saliency.learned import LearnedSaliency
from nmt_prune.pruning.schedules import Schedule
from nmt_prune.pruning.schedules.constant import Constant
from nmt_prune.pruning.settings import PruningSettings
from nmt_prune.tasks import provenance
from nmt_prune.tasks.config import TranslationPruningConfig, criterion_of
from nmt_prune.tasks.fitting import check_fits
from nmt_prune.tasks.going_on import refuse_foreign_optimizer, refuse_missing_average
from nmt_prune.tasks.origin import (
    DEFAULT_RESTORE_FILE,
    Origin,
    asked_resets,
    find_origin,
    last_checkpoint,
    restoring,
)
from nmt_prune.tasks.refusals import (
    are_same,
    refuse_counting_anew,
    refuse_denser_best,
    refuse_incompatible,
    refuse_inert,
    refuse_late_start,
    refuse_lost_optimizer,
    refuse_other_flags,
    refuse_unreachable,
    refuse_unreachable_average,
)
from nmt_prune.tasks.rewind_points import refuse_passed_points, refuse_unwritten_points
from nmt_prune.tasks.settled import how_far
from nmt_prune.tasks.single_step import refuse_late_threshold
from nmt_prune.tasks.stopping import stop_when_asked
from nmt_prune.tasks.workers import check_agreement, is_master, wait_for_master
from nmt_prune.training.masking import Masking

logger = logging.getLogger(__name__)


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


def start(
    cfg: TranslationPruningConfig, settings: PruningSettings, pruner: Pruner, model: Any, evidence: Evidence
) -> Start:
    """Gives a freshly built model its first masks, or leaves it to the checkpoint that fairseq is about to load.

    From its first update on the training can be asked to stop. A ticket is written as the ``checkpoint_last.pt`` of the
    save folder, which fairseq then loads like any other.

    Args:
        cfg: the task's flags.
        settings: the pruning settings that they give.
        pruner: the pruner of these.
        model: the model, as initialised.
        evidence: it and its training data.

    Raises:
        PruneError: the flags contradict one another, or a file does not fit.
    """
    stop_when_asked()
    origin = find_origin(cfg)
    # Without this a slow worker could take the ticket that the master writes below for a training that has begun.
    wait_for_master()
    if origin is not None:
        evidence.passes.count = provenance.known_passes(cfg.save_dir)
        return _go_on(cfg, settings, pruner, model, origin)
    refuse_inert(cfg, settings)
    refuse_unwritten_points(cfg, 0)
    _check_start(settings)
    begin = _begin_with_ticket if settings.takes_weights else _prune_initial
    return begin(cfg, settings, pruner, model, evidence)


def _begin_with_ticket(
    cfg: TranslationPruningConfig, settings: PruningSettings, pruner: Pruner, model: Any, evidence: Evidence
) -> Start:
    """Writes the ticket for fairseq to load."""
    last = last_checkpoint(cfg)
    if is_master():
        state, found = settings.ticket(evidence)
        first_update = state["optimizer_history"][-1]["num_updates"]
        departure = _complete(Departure.of(found), cfg, settings, first_update)
        schedule = _schedule(cfg, settings, pruner, departure)
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
    schedule, is_denser = _schedule(cfg, settings, pruner, departure), _best_is_denser(ticket)
    return Start(schedule, departure, ticket.num_updates, best_is_denser=is_denser)


def _go_on(
    cfg: TranslationPruningConfig, settings: PruningSettings, pruner: Pruner, model: Any, origin: Origin
) -> Start:
    """Starts from the masks of a checkpoint: of this very training, or of another."""
    if origin.lies_in(cfg.save_dir):
        refuse_counting_anew(cfg, origin.checkpoint)
    check_fits(cfg, origin.checkpoint, model, str(origin))
    masks, flags, departure = origin.checkpoint.masks, _flags(cfg, settings), origin.departure
    is_own = departure is not None and are_same(departure.flags, flags)
    if departure is not None and origin.lies_in(cfg.save_dir):
        refuse_other_flags(cfg, departure.flags, flags)
        refuse_lost_optimizer(origin.checkpoint)
        refuse_passed_points(cfg, origin.first_update)
    elif not is_own:
        _check_other_origin(cfg, settings, origin)
        departure = _complete(settings.departure(pruner, masks), cfg, settings, origin.first_update)
        if isinstance(pruner.budget, Threshold):
            refuse_late_threshold(settings.build_schedule(departure), origin.first_update, str(origin))
    refuse_missing_average(cfg, origin)
    if origin.goes_on and origin.checkpoint.has_optimizer:
        way = "or --reset-optimizer, with another --save-dir than its own"
        refuse_foreign_optimizer(cfg, origin.checkpoint.history, f"{origin} comes of a training", way)
    assert departure is not None
    schedule = _schedule(cfg, settings, pruner, departure)
    is_reached, is_over = how_far(pruner, schedule, origin, is_own)
    if is_reached and not is_over:
        # More updates than at first: the mask stays, whatever the longer schedule says.
        kept = Constant(final=schedule.final)
        return Start(kept, departure, origin.first_update, origin, True, _best_is_denser(origin.checkpoint))
    is_exact = not isinstance(pruner.saliency, LearnedSaliency)  # others may end with what they have learned
    if is_exact and is_over and not is_reached:
        refuse_unreachable(cfg, str(origin), origin.first_update, pruner.pruned_share(masks), schedule.final)
    logger.info(f"{origin} goes on with its masks, sparsity {masks.sparsity():.6g}; nothing is pruned or reset again")
    provenance.note(cfg.save_dir, departure.as_json())
    is_denser = _best_is_denser(origin.checkpoint)
    return Start(schedule, departure, origin.first_update, origin, best_is_denser=is_denser)


def _best_is_denser(checkpoint: Checkpoint) -> bool:
    return bool((checkpoint.state.get("task_state") or {}).get("best_is_denser"))


def _complete(
    departure: Departure, cfg: TranslationPruningConfig, settings: PruningSettings, first_update: int
) -> Departure:
    """Adds what the flags say to what the masks say."""
    restored = {} if cfg.restore_file == DEFAULT_RESTORE_FILE else restoring(Path(cfg.restore_file))
    flags = _flags(cfg, settings)
    return replace(departure, first_update=first_update, flags=flags, resets=asked_resets(cfg), restored=restored)


def _check_other_origin(cfg: TranslationPruningConfig, settings: PruningSettings, origin: Origin) -> None:
    """Checks the flags of a training that begins with the checkpoint of another."""
    if cfg.mask_from or cfg.rewind_from:
        raise PruneError(
            f"{origin} and --{'mask' if cfg.mask_from else 'rewind'}-from both say where to start; give one of them"
            " (with a --save-dir of its own)"
        )
    refuse_inert(cfg, settings)
    refuse_unwritten_points(cfg, origin.first_update)


def _flags(cfg: TranslationPruningConfig, settings: PruningSettings) -> dict[str, Any]:
    """Everything that decides the start, by flag."""
    return {
        **settings.decisions(),
        "regulariser": cfg.regulariser,
        "quantizer": cfg.quantizer,
        "sparse_lr": cfg.sparse_lr,
        **teaching(criterion_of(cfg)),
    }


def _asked(settings: PruningSettings) -> str:
    if settings.sparsity is None:
        return f"the mask of {settings.mask_from}, since there is no --sparsity"
    return f"sparsity {settings.sparsity} of {settings.mask_from}"


def _check_start(settings: PruningSettings) -> None:
    """Checks that the flags of a new training agree on what it starts from."""
    if settings.mask_from is None and settings.rewind_from:
        raise PruneError("--rewind-from needs --mask-from, the checkpoint or mask file that says which weights survive")
    for flag in ("reset", "clock"):
        value = getattr(settings, flag)
        if not settings.takes_weights and value != getattr(PruningSettings, flag):
            raise PruneError(
                f"--{flag} {value} is about the weights of a checkpoint: give one with --mask-from, or with"
                " --rewind-from beside a mask file"
            )


def _schedule(
    cfg: TranslationPruningConfig, settings: PruningSettings, pruner: Pruner, departure: Departure
) -> Schedule:
    """Builds the schedule and refuses what it makes impossible."""
    schedule = settings.build_schedule(departure)
    refuse_unreachable_average(cfg, schedule)
    refuse_denser_best(cfg, schedule)
    refuse_incompatible(cfg, pruner, schedule)
    return schedule


def head_dim(model: Any) -> dict[str, int]:
    """Width of an attention head by stack."""
    return {
        stack: next(module.head_dim for module in getattr(model, stack).modules() if hasattr(module, "head_dim"))
        for stack in ("encoder", "decoder")
    }


def _prune_initial(
    cfg: TranslationPruningConfig, settings: PruningSettings, pruner: Pruner, model: Any, evidence: Evidence
) -> Start:
    """Prunes the fresh weights: the start of MP, pruning at initialisation, a mask file on new weights."""
    masking: Masking = model.masking
    alive = masking.masks
    if settings.mask_is_file:
        _, alive = settings.load_mask_source()
        alive.check_matches(masking.parameters_by_matrix, str(settings.mask_from))
    departure = _complete(settings.departure(pruner, alive), cfg, settings, 0)
    schedule = _schedule(cfg, settings, pruner, departure)
    masks, findings = settings.first_masks(pruner, masking.parameters_by_matrix, alive, departure)
    check_agreement(masks, "masks of the fresh weights")
    masking.replace(masks)
    if is_master():
        noted = {**departure.masks(), **findings, provenance.PASSES: evidence.passes.count, "flags": departure.flags}
        provenance.write(cfg.save_dir, noted)
    return Start(schedule, departure)
