"""How a training starts: resumed, from a ticket, pruned at initialisation, or dense."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt_prune.checkpoints import Checkpoint, save
from nmt_prune.errors import PruneError
from nmt_prune.files import read_json, write_json
from nmt_prune.masks.prunable import prunable_matrices, prunable_parameters
from nmt_prune.pruning.saliency import Evidence, Saliency
from nmt_prune.pruning.saliency.learned import LearnedSaliency
from nmt_prune.pruning.schedules import Schedule
from nmt_prune.pruning.schedules.constant import Constant
from nmt_prune.pruning.settings import PruningSettings
from nmt_prune.tasks.config import TranslationPruningConfig, pruning_settings
from nmt_prune.tasks.origin import Origin, asked_resets, find_origin, last_checkpoint
from nmt_prune.tasks.refusals import (
    are_same,
    refuse_denser_best,
    refuse_incompatible,
    refuse_inert,
    refuse_late_start,
    refuse_lost_optimizer,
    refuse_other_flags,
    refuse_unreachable,
    refuse_unreachable_average,
    refuse_unwritten_points,
)
from nmt_prune.tasks.workers import check_agreement, is_master, wait_for_master
from nmt_prune.training.masking import Masking

logger = logging.getLogger(__name__)

PROVENANCE = "pruning.json"
PASSES = "other_passes"
"""What the provenance calls the mini-batches that masks were measured on so far."""


@dataclass(frozen=True)
class Start:
    """How a training starts.

    Attributes:
        schedule: the schedule for the rest of the training.
        facts: what a resumed training needs to know of the start, kept in every checkpoint: the flags that decide it,
            the sparsity before anything is pruned (``inherited``), the ``stages`` of the budget, the ``first_update``,
            the ``resets`` that fairseq was asked for.
        first_update: number of updates done.
        origin: the checkpoint that fairseq is about to load; None for fresh weights and for a new ticket.
        is_final: whether the mask that the schedule leads to is there already.
    """

    schedule: Schedule
    facts: dict[str, Any]
    first_update: int = 0
    origin: Origin | None = None
    is_final: bool = False


def start(cfg: TranslationPruningConfig, model: Any, evidence: Evidence) -> Start:
    """Gives a freshly built model its first masks, or leaves it to the checkpoint that fairseq is about to load.

    A ticket is written as the ``checkpoint_last.pt`` of the save folder, which fairseq then loads like any other.

    Args:
        cfg: the task's flags.
        model: the model, as initialised.
        evidence: it and its training data.

    Raises:
        PruneError: the flags contradict one another, or a file does not fit.
    """
    settings = pruning_settings(cfg)
    origin = find_origin(cfg)
    # Without this a slow worker could take the ticket that the master writes below for a training that has begun.
    wait_for_master()
    if origin is not None:
        evidence.passes.count = _known_passes(cfg)
        return _go_on(cfg, settings, model, origin)
    refuse_inert(cfg, settings)
    refuse_unwritten_points(cfg, 0)
    _check_start(cfg, settings)
    flags = _flags(cfg, settings)
    if cfg.mask_from is None or (settings.mask_is_file and cfg.rewind_from is None):
        schedule, departure, findings = _prune_initial(cfg, settings, model, evidence)
        if is_master():
            passes = {PASSES: evidence.passes.count}
            write_json(Path(cfg.save_dir) / PROVENANCE, {**departure, **findings, **passes, "flags": flags})
        return Start(schedule, {**departure, "first_update": 0, "flags": flags, "resets": asked_resets(cfg)})
    return _begin_with_ticket(cfg, settings, model, evidence, flags)


def _begin_with_ticket(
    cfg: TranslationPruningConfig, settings: PruningSettings, model: Any, evidence: Evidence, flags: dict[str, Any]
) -> Start:
    """Writes the ticket for fairseq to load."""
    last, provenance = last_checkpoint(cfg), Path(cfg.save_dir) / PROVENANCE
    if is_master():
        state, facts = settings.ticket(evidence)
        first_update = state["optimizer_history"][-1]["num_updates"]
        refuse_late_start(cfg, _schedule(cfg, settings, facts), first_update)
        refuse_unwritten_points(cfg, first_update)
        _check_fits(state, model, str(cfg.mask_from))
        if cfg.store_ema:
            # fairseq fails where it would make the average anew from a checkpoint without one.
            state["extra_state"]["ema"] = state["model"]
        began = {"first_update": first_update, "flags": flags, "resets": asked_resets(cfg)}
        state["task_state"]["start"] = {**_departure(facts), **began}
        # The provenance first: a ticket without it would look like a training that has been going on.
        write_json(provenance, {**facts, PASSES: evidence.passes.count, "flags": flags})
        save(state, last)
        logger.info(f"wrote the ticket {last}: {_asked(settings)}, masks {facts['masks'][:12]}")
    wait_for_master()
    ticket = Checkpoint.load(last)
    facts = ticket.state["task_state"]["start"]
    return Start(_schedule(cfg, settings, facts), facts, ticket.num_updates)


def note(folder: str, facts: Mapping[str, Any]) -> None:
    """Adds facts to ``pruning.json``, on one worker."""
    path = Path(folder) / PROVENANCE
    if is_master():
        write_json(path, {**(read_json(path) if path.exists() else {}), **facts})


def _known_passes(cfg: TranslationPruningConfig) -> int:
    path = Path(cfg.save_dir) / PROVENANCE
    return (read_json(path) if path.exists() else {}).get(PASSES) or 0


def _go_on(cfg: TranslationPruningConfig, settings: PruningSettings, model: Any, origin: Origin) -> Start:
    """Starts from the masks of a checkpoint: of this very training, or of another."""
    _check_fits(origin.checkpoint.state, model, str(origin))
    masks, pruner, flags = origin.checkpoint.masks, settings.pruner(head_dim(model)), _flags(cfg, settings)
    facts = origin.start
    if facts is not None and origin.lies_in(cfg.save_dir):
        refuse_other_flags(cfg, facts["flags"], flags)
        refuse_lost_optimizer(origin.checkpoint)
    elif facts is None or not are_same(facts["flags"], flags):
        _check_other_origin(cfg, settings, origin)
        began = {"first_update": origin.first_update, "flags": flags, "resets": asked_resets(cfg)}
        facts = {**settings.departure(pruner, masks), **began}
    schedule = _schedule(cfg, settings, facts)
    is_reached = not _is_learning(pruner.saliency, origin) and pruner.has_reached(masks, schedule.final)
    if schedule.sparsity(origin.first_update) < schedule.final and is_reached:
        # More updates than at first: the mask stays, whatever the longer schedule says.
        return Start(Constant(final=schedule.final), facts, origin.first_update, origin, is_final=True)
    is_exact = not isinstance(pruner.saliency, LearnedSaliency)  # others may end with what they have learned
    if is_exact and not is_reached and schedule.sparsity(origin.first_update) >= schedule.final:
        refuse_unreachable(cfg, str(origin), origin.first_update, pruner.pruned_share(masks), schedule.final)
    logger.info(f"{origin} goes on with its masks, sparsity {masks.sparsity():.6g}; nothing is pruned or reset again")
    note(cfg.save_dir, facts)
    return Start(schedule, facts, origin.first_update, origin)


def _is_learning(saliency: Saliency, origin: Origin) -> bool:
    """Whether the masks of a checkpoint were still to be learned, so that they are not held yet."""
    if not isinstance(saliency, LearnedSaliency):
        return False
    states = origin.checkpoint.state.get("task_state") or {}
    return origin.goes_on and saliency.is_unfinished(states.get(saliency.name) or {})


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
    }


def _departure(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: facts[key] for key in ("inherited", "stages") if key in facts}


def _asked(settings: PruningSettings) -> str:
    if settings.sparsity is None:
        return f"the mask of {settings.mask_from}, since there is no --sparsity"
    return f"sparsity {settings.sparsity} of {settings.mask_from}"


def _check_start(cfg: TranslationPruningConfig, settings: PruningSettings) -> None:
    """Checks that the flags of a new training agree on what it starts from."""
    if cfg.mask_from is None and cfg.rewind_from:
        raise PruneError("--rewind-from needs --mask-from, the checkpoint or mask file that says which weights survive")
    if cfg.mask_from is None or (settings.mask_is_file and cfg.rewind_from is None):
        for flag, value, default in (("reset", cfg.reset, "keep"), ("clock", cfg.clock, "restart")):
            if value != default:
                raise PruneError(
                    f"--{flag} {value} is about the weights of a checkpoint: give one with --mask-from, or with"
                    " --rewind-from beside a mask file"
                )


def _schedule(cfg: TranslationPruningConfig, settings: PruningSettings, facts: Mapping[str, Any]) -> Schedule:
    """Builds the schedule and refuses what it makes impossible."""
    schedule = settings.build_schedule(facts["inherited"], facts.get("stages", ()))
    refuse_unreachable_average(cfg, schedule)
    refuse_denser_best(cfg, schedule)
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
) -> tuple[Schedule, dict[str, Any], dict[str, Any]]:
    """Prunes the fresh weights: the start of MP, pruning at initialisation, a mask file on new weights."""
    masking: Masking = model.masking
    alive = masking.masks
    if settings.mask_is_file:
        _, alive = settings.load_mask_source()
        alive.check_matches(masking.parameters_by_matrix, str(settings.mask_from))
    pruner = settings.pruner(head_dim(model), evidence)
    departure = settings.departure(pruner, alive)
    schedule = _schedule(cfg, settings, departure)
    first = settings.first_sparsity(schedule, departure["inherited"])
    masks, findings = pruner.find(masking.parameters_by_matrix, alive, first)
    check_agreement(masks, "masks of the fresh weights")
    masking.replace(masks)
    return schedule, departure, findings


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
