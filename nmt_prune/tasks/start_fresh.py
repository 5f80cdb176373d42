"""The start with fresh weights: dense, pruned at initialisation, or under a mask file."""

from typing import Any

from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency import Evidence
from nmt_prune.pruning.settings import PruningSettings
from nmt_prune.tasks import provenance
from nmt_prune.tasks.config import TranslationPruningConfig
from nmt_prune.tasks.start import Start, completed, possible_schedule
from nmt_prune.tasks.workers import check_agreement, is_master
from nmt_prune.training.masking import Masking


def start_fresh(
    cfg: TranslationPruningConfig, settings: PruningSettings, pruner: Pruner, model: Any, evidence: Evidence
) -> Start:
    """Prunes the fresh weights, as MP, pruning at initialisation and a mask file on new weights begin.

    Arguments and errors are those of :func:`nmt_prune.tasks.starting.start`.
    """
    masking: Masking = model.masking
    alive = masking.masks
    if settings.mask_is_file:
        _, alive = settings.load_mask_source()
        alive.check_matches(masking.parameters_by_matrix, str(settings.mask_from))
    departure = completed(settings.departure(pruner, alive), cfg, settings, 0)
    schedule = possible_schedule(cfg, settings, pruner, departure)
    masks, findings = settings.first_masks(pruner, masking.parameters_by_matrix, alive, departure)
    check_agreement(masks, "masks of the fresh weights")
    masking.replace(masks)
    if is_master():
        noted = {**departure.masks(), **findings, provenance.PASSES: evidence.passes.count, "flags": departure.flags}
        provenance.write(cfg.save_dir, noted)
    return Start(schedule, departure)
