"""How a training starts: resumed, from a ticket, pruned at initialisation, or dense."""

import logging
from pathlib import Path
from typing import Any

from nmt_prune.checkpoints import save
from nmt_prune.errors import PruneError
from nmt_prune.files import read_json, write_json
from nmt_prune.masks.masking import Masking
from nmt_prune.masks.prunable import prunable_parameters
from nmt_prune.schedules import Schedule
from nmt_prune.settings import PruningSettings
from nmt_prune.tasks.config import TranslationPruningConfig, pruning_settings
from nmt_prune.tasks.workers import is_master, wait_for_master

logger = logging.getLogger(__name__)

PROVENANCE = "pruning.json"


def start(cfg: TranslationPruningConfig, model: Any) -> Schedule:
    """Gives a freshly built model its first masks, or leaves it to the checkpoint that fairseq is about to load.

    A ticket is written as the ``checkpoint_last.pt`` of the save folder, which fairseq then loads like any other.

    Args:
        cfg: the task's flags.
        model: the model, as initialised.

    Returns:
        The schedule for the rest of the training.

    Raises:
        PruneError: the flags contradict one another, or a file does not fit.
    """
    settings = pruning_settings(cfg)
    default_restore = cfg.restore_file == "checkpoint_last.pt"
    last = Path(cfg.save_dir) / f"checkpoint_last{cfg.checkpoint_suffix}.pt"
    provenance = Path(cfg.save_dir) / PROVENANCE
    if (last if default_restore else Path(cfg.restore_file)).exists():
        if not default_restore and cfg.mask_from and not last.exists():
            raise PruneError("--restore-file and --mask-from both say where to start; give one of them")
        inherited = read_json(provenance)["inherited"] if provenance.exists() else 0.0
        logger.info("masks come from the checkpoint to be restored; nothing is pruned or reset again")
        return settings.build_schedule(inherited)
    if cfg.finetune_from_model and cfg.mask_from:
        raise PruneError("--finetune-from-model and --mask-from both say where to start; give one of them")
    if cfg.mask_from is None and cfg.rewind_from:
        raise PruneError("--rewind-from needs --mask-from, the checkpoint or mask file that says which weights survive")
    if cfg.mask_from is None or (settings.mask_is_file and cfg.rewind_from is None):
        return _prune_initial(settings, model.masking)
    if is_master():
        state, facts = settings.ticket()
        _check_fits(state, model, cfg.mask_from)
        # The provenance first: a ticket without it would look like a training that has been going on.
        write_json(provenance, facts)
        save(state, last)
        logger.info(f"wrote the ticket {last}: {settings.sparsity} of {cfg.mask_from}, masks {facts['masks'][:12]}")
    wait_for_master()
    return settings.build_schedule(read_json(provenance)["inherited"])


def _prune_initial(settings: PruningSettings, masking: Masking) -> Schedule:
    """Prunes the fresh weights: the start of MP, pruning at initialisation, a mask file on new weights."""
    alive = masking.masks
    if settings.mask_is_file:
        _, alive = settings.load_mask_source()
        alive.check_matches(masking.parameters_by_matrix, str(settings.mask_from))
    pruner = settings.pruner()
    schedule = settings.build_schedule(pruner.pruned_share(alive))
    masking.replace(pruner.prune(masking.parameters_by_matrix, alive, schedule.sparsity(0)))
    return schedule


def _check_fits(state: dict[str, Any], model: Any, source: str) -> None:
    """Checks the ticket against the model that is going to load it, by name and shape."""
    mine = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    for prunable in prunable_parameters(model):
        found = state["model"].get(prunable.name)
        if found is None or tuple(found.shape) != mine[prunable.name]:
            there = "missing" if found is None else tuple(found.shape)
            raise PruneError(
                f"{source} is of another architecture: {prunable.name} is {there} there and {mine[prunable.name]} by"
                " the flags; train with the --arch, sizes and dictionary of the checkpoint"
            )
