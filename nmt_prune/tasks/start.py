"""How a training starts: resumed, from a ticket, pruned at initialisation, or dense."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nmt_prune.checkpoints import save
from nmt_prune.errors import PruneError
from nmt_prune.files import read_json, write_json
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.masking import Masking
from nmt_prune.masks.prunable import prunable_matrices, prunable_parameters
from nmt_prune.saliency import Evidence
from nmt_prune.schedules import Schedule
from nmt_prune.settings import PruningSettings
from nmt_prune.tasks.config import TranslationPruningConfig, pruning_settings
from nmt_prune.tasks.refusals import refuse_incompatible, refuse_late_start, refuse_unreachable_average
from nmt_prune.tasks.workers import check_agreement, is_master, wait_for_master

logger = logging.getLogger(__name__)

PROVENANCE = "pruning.json"
PASSES = "other_passes"
"""What the provenance calls the mini-batches that masks were measured on so far."""
DEFAULT_RESTORE_FILE = "checkpoint_last.pt"


def start(cfg: TranslationPruningConfig, model: Any, evidence: Evidence) -> Schedule:
    """Gives a freshly built model its first masks, or leaves it to the checkpoint that fairseq is about to load.

    A ticket is written as the ``checkpoint_last.pt`` of the save folder, which fairseq then loads like any other.

    Args:
        cfg: the task's flags.
        model: the model, as initialised.
        evidence: it and its training data.

    Returns:
        The schedule for the rest of the training.

    Raises:
        PruneError: the flags contradict one another, or a file does not fit.
    """
    settings = pruning_settings(cfg)
    default_restore = cfg.restore_file == DEFAULT_RESTORE_FILE
    last = last_checkpoint(cfg)
    provenance = Path(cfg.save_dir) / PROVENANCE
    has_begun = last.exists()
    is_resumed = restored_checkpoint(cfg).exists()
    # Without this a slow worker could take the ticket that the master writes below for a training that has begun.
    wait_for_master()
    if not default_restore and not has_begun and cfg.mask_from:
        raise PruneError("--restore-file and --mask-from both say where to start; give one of them")
    if is_resumed:
        logger.info("masks come from the checkpoint to be restored; nothing is pruned or reset again")
        known = read_json(provenance) if provenance.exists() else {}
        evidence.passes.count = known.get(PASSES) or 0
        return _schedule(cfg, settings, known or _fresh(settings, model))
    _check_start(cfg, settings, model)
    if cfg.mask_from is None or (settings.mask_is_file and cfg.rewind_from is None):
        schedule, facts = _prune_initial(cfg, settings, model, evidence)
        if is_master():
            write_json(provenance, {**facts, PASSES: evidence.passes.count})
        return schedule
    if is_master():
        state, facts = settings.ticket(evidence)
        refuse_late_start(cfg, _schedule(cfg, settings, facts), state["optimizer_history"][-1]["num_updates"])
        _check_fits(state, model, cfg.mask_from)
        if cfg.store_ema:
            # fairseq fails where it would make the average anew from a checkpoint without one.
            state["extra_state"]["ema"] = state["model"]
        # The provenance first: a ticket without it would look like a training that has been going on.
        write_json(provenance, {**facts, PASSES: evidence.passes.count})
        save(state, last)
        logger.info(f"wrote the ticket {last}: {settings.sparsity} of {cfg.mask_from}, masks {facts['masks'][:12]}")
    wait_for_master()
    return _schedule(cfg, settings, read_json(provenance))


def note_passes(cfg: TranslationPruningConfig, evidence: Evidence) -> None:
    """Notes what masks have been measured on since the start."""
    provenance = Path(cfg.save_dir) / PROVENANCE
    if is_master() and provenance.exists():
        write_json(provenance, {**read_json(provenance), PASSES: evidence.passes.count})


def last_checkpoint(cfg: TranslationPruningConfig) -> Path:
    """The last checkpoint of the save folder."""
    return Path(cfg.save_dir) / f"checkpoint_last{cfg.checkpoint_suffix}.pt"


def restored_checkpoint(cfg: TranslationPruningConfig) -> Path:
    """The checkpoint that fairseq restores at the start, if it exists."""
    return last_checkpoint(cfg) if cfg.restore_file == DEFAULT_RESTORE_FILE else Path(cfg.restore_file)


def _check_start(cfg: TranslationPruningConfig, settings: PruningSettings, model: Any) -> None:
    """Checks that the flags of a new training agree on what it starts from."""
    if cfg.finetune_from_model and cfg.mask_from:
        raise PruneError("--finetune-from-model and --mask-from both say where to start; give one of them")
    if cfg.finetune_from_model and settings.build_schedule(**_fresh(settings, model)).sparsity(0) > 0:
        raise PruneError("--finetune-from-model replaces the weights that would be pruned; use --mask-from instead")
    if cfg.mask_from is None and cfg.rewind_from:
        raise PruneError("--rewind-from needs --mask-from, the checkpoint or mask file that says which weights survive")
    if cfg.mask_from is None or (settings.mask_is_file and cfg.rewind_from is None):
        for flag, value, default in (("reset", cfg.reset, "keep"), ("clock", cfg.clock, "restart")):
            if value != default:
                raise PruneError(
                    f"--{flag} {value} is about the weights of a checkpoint: give one with --mask-from, or with"
                    " --rewind-from beside a mask file"
                )


def _fresh(settings: PruningSettings, model: Any) -> dict[str, Any]:
    """The departure of a training from dense weights."""
    return settings.departure(settings.pruner(head_dim(model)), MaskSet.dense(model.masking.parameters_by_matrix))


def _schedule(cfg: TranslationPruningConfig, settings: PruningSettings, facts: Mapping[str, Any]) -> Schedule:
    """Builds the schedule and refuses what it makes impossible."""
    schedule = settings.build_schedule(facts["inherited"], facts.get("stages", ()))
    refuse_unreachable_average(cfg, schedule)
    refuse_incompatible(cfg, settings.pruner(), schedule)
    return schedule


def head_dim(model: Any) -> dict[str, int]:
    """Width of an attention head by stack."""
    return {
        stack: next(module.head_dim for module in getattr(model, stack).modules() if hasattr(module, "head_dim"))
        for stack in ("encoder", "decoder")
    }


def _prune_initial(
    cfg: TranslationPruningConfig, settings: PruningSettings, model: Any, evidence: Evidence
) -> tuple[Schedule, dict[str, Any]]:
    """Prunes the fresh weights: the start of MP, pruning at initialisation, a mask file on new weights."""
    masking: Masking = model.masking
    alive = masking.masks
    if settings.mask_is_file:
        _, alive = settings.load_mask_source()
        alive.check_matches(masking.parameters_by_matrix, str(settings.mask_from))
    pruner = settings.pruner(head_dim(model), evidence)
    departure = settings.departure(pruner, alive)
    schedule = _schedule(cfg, settings, departure)
    masks, findings = pruner.find(masking.parameters_by_matrix, alive, schedule.sparsity(0))
    check_agreement(masks.digest(), "masks of the fresh weights")
    masking.replace(masks)
    return schedule, {**departure, **findings}


def _check_fits(state: dict[str, Any], model: Any, source: str) -> None:
    """Checks the ticket against the model that is going to load it, by name and shape."""
    mine = {prunable.name: prunable.shape for prunable in prunable_parameters(model)}
    theirs = {prunable.name: prunable.shape for prunable in prunable_matrices(state["model"])}
    for name in sorted(mine.keys() | theirs.keys()):
        if mine.get(name) != theirs.get(name):
            raise PruneError(
                f"{source} is of another architecture: {name} is {theirs.get(name, 'missing')} there and"
                f" {mine.get(name, 'missing')} by the flags; train with the --arch, sizes and dictionary of the"
                " checkpoint"
            )
