"""Which way a training starts: resumed, from a ticket, pruned at initialisation, or dense."""

from typing import Any

from nmt_prune.errors import PruneError
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency import Evidence
from nmt_prune.pruning.settings import PruningSettings
from nmt_prune.tasks import provenance
from nmt_prune.tasks.config import TranslationPruningConfig
from nmt_prune.tasks.origin import find_origin
from nmt_prune.tasks.refusals import refuse_inert
from nmt_prune.tasks.rewind_points import refuse_unwritten_points
from nmt_prune.tasks.start import Start
from nmt_prune.tasks.start_again import start_again
from nmt_prune.tasks.start_fresh import start_fresh
from nmt_prune.tasks.start_with_ticket import start_with_ticket
from nmt_prune.tasks.stopping import stop_when_asked
from nmt_prune.tasks.workers import wait_for_master


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
        return start_again(cfg, settings, pruner, model, origin)
    refuse_inert(cfg, settings)
    refuse_unwritten_points(cfg, 0)
    _check_start(settings)
    begin = start_with_ticket if settings.takes_weights else start_fresh
    return begin(cfg, settings, pruner, model, evidence)


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
