"""The start of a training that goes on: with a checkpoint of its own, or with that of another."""

import logging
from typing import Any

from nmt_prune.errors import PruneError
from nmt_prune.pruning.budgets.threshold import Threshold
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency.learned import LearnedSaliency
from nmt_prune.pruning.schedules.constant import Constant
from nmt_prune.pruning.settings import PruningSettings
from nmt_prune.tasks import provenance
from nmt_prune.tasks.config import TranslationPruningConfig
from nmt_prune.tasks.fitting import check_fits
from nmt_prune.tasks.going_on import refuse_foreign_optimizer, refuse_missing_average
from nmt_prune.tasks.origin import Origin
from nmt_prune.tasks.refusals import refuse_inert, refuse_unreachable
from nmt_prune.tasks.rewind_points import refuse_passed_points, refuse_unwritten_points
from nmt_prune.tasks.same_training import are_same, refuse_counting_anew, refuse_lost_optimizer, refuse_other_flags
from nmt_prune.tasks.settled import how_far
from nmt_prune.tasks.single_step import refuse_late_threshold
from nmt_prune.tasks.start import Start, best_is_denser_of, completed, deciding_flags, possible_schedule

logger = logging.getLogger(__name__)


def start_again(
    cfg: TranslationPruningConfig, settings: PruningSettings, pruner: Pruner, model: Any, origin: Origin
) -> Start:
    """Starts from the masks of a checkpoint, of this very training or of another.

    Args:
        cfg: the task's flags.
        settings: the pruning settings that they give.
        pruner: the pruner of these.
        model: the model, as initialised.
        origin: the checkpoint.

    Raises:
        PruneError: the flags do not go with it, or it does not fit the model.
    """
    if origin.lies_in(cfg.save_dir):
        refuse_counting_anew(cfg, origin.checkpoint)
    check_fits(cfg, origin.checkpoint, model, str(origin))
    masks, flags, departure = origin.checkpoint.masks, deciding_flags(cfg, settings), origin.departure
    is_own = departure is not None and are_same(departure.flags, flags)
    if departure is not None and origin.lies_in(cfg.save_dir):
        refuse_other_flags(cfg, departure.flags, flags)
        refuse_lost_optimizer(origin.checkpoint)
        refuse_passed_points(cfg, origin.first_update)
    elif not is_own:
        _check_other_origin(cfg, settings, origin)
        departure = completed(settings.departure(pruner, masks), cfg, settings, origin.first_update)
        if isinstance(pruner.budget, Threshold):
            refuse_late_threshold(settings.build_schedule(departure), origin.first_update, str(origin))
    refuse_missing_average(cfg, origin)
    if origin.goes_on and origin.checkpoint.has_optimizer:
        way = "or --reset-optimizer, with another --save-dir than its own"
        refuse_foreign_optimizer(cfg, origin.checkpoint.history, f"{origin} comes of a training", way)
    assert departure is not None
    schedule = possible_schedule(cfg, settings, pruner, departure)
    is_reached, is_over = how_far(pruner, schedule, origin, is_own)
    if is_reached and not is_over:
        # More updates than at first: the mask stays, whatever the longer schedule says.
        kept = Constant(final=schedule.final)
        return Start(kept, departure, origin.first_update, origin, True, best_is_denser_of(origin.checkpoint))
    is_exact = not isinstance(pruner.saliency, LearnedSaliency)  # others may end with what they have learned
    if is_exact and is_over and not is_reached:
        refuse_unreachable(cfg, str(origin), origin.first_update, pruner.pruned_share(masks), schedule.final)
    logger.info(f"{origin} goes on with its masks, sparsity {masks.sparsity():.6g}; nothing is pruned or reset again")
    provenance.note(cfg.save_dir, departure.as_json())
    is_denser = best_is_denser_of(origin.checkpoint)
    return Start(schedule, departure, origin.first_update, origin, best_is_denser=is_denser)


def _check_other_origin(cfg: TranslationPruningConfig, settings: PruningSettings, origin: Origin) -> None:
    """Checks the flags of a training that begins with the checkpoint of another."""
    if cfg.mask_from or cfg.rewind_from:
        raise PruneError(
            f"{origin} and --{'mask' if cfg.mask_from else 'rewind'}-from both say where to start; give one of them"
            " (with a --save-dir of its own)"
        )
    refuse_inert(cfg, settings)
    refuse_unwritten_points(cfg, origin.first_update)
