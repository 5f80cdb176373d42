"""The callbacks that the task's flags ask for."""

from typing import Any

from nmt_prune.masks.prunable import restrict
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.quantization import quantizers
from nmt_prune.pruning.quantization.training import QuantizedTraining
from nmt_prune.pruning.regularisers import regularisers
from nmt_prune.pruning.regularisers.regularisation import Regularisation
from nmt_prune.pruning.saliency.learned import LearnedSaliency
from nmt_prune.pruning.schedules import MovingSchedule
from nmt_prune.pruning.schedules.acdc import AcDc
from nmt_prune.tasks.config import TranslationPruningConfig
from nmt_prune.tasks.origin import Origin
from nmt_prune.tasks.start import Start
from nmt_prune.tasks.workers import check_agreement
from nmt_prune.training.callback import Callback
from nmt_prune.training.callbacks import Callbacks
from nmt_prune.training.decompression import Decompression
from nmt_prune.training.regrowth import Regrowth
from nmt_prune.training.sparse_rates import SparseRates


def callbacks(cfg: TranslationPruningConfig, model: Any, pruner: Pruner, start: Start) -> Callbacks:
    """Builds them, as the checkpoint left them that training goes on from.

    Args:
        cfg: the task's flags.
        model: the model to train.
        pruner: how masks are found.
        start: how the training starts; with a final mask nothing is left to be learned or penalised.

    Raises:
        PruneError: the flags ask for what cannot go together.
    """
    found: dict[str, Callback] = {}
    schedule = start.schedule
    if cfg.sparse_lr:  # first, so that it sees the step alone, between the others' parts of the update
        found["sparse_lr"] = SparseRates(model.masking, cfg.sparse_lr)
    chosen = restrict(model.masking.parameters_by_matrix, pruner.prune_set)
    if isinstance(schedule, MovingSchedule):
        found["regrowth"] = Regrowth(model.masking, chosen, schedule, check_agreement)
    if isinstance(schedule, AcDc):
        found["decompression"] = Decompression(model.masking, chosen, schedule.sparsity)
    if isinstance(pruner.saliency, LearnedSaliency) and not start.is_final:
        found[pruner.saliency.name] = pruner.saliency.learner(model.masking, pruner, schedule)
    if cfg.regulariser and not start.is_final:
        regulariser = regularisers.build(cfg.regulariser)
        parameters = model.masking.parameters_by_matrix
        penalised = {prunable: parameters[prunable] for prunable in chosen}
        found["regulariser"] = Regularisation(regulariser, pruner.group, penalised, schedule.settled_at, model.masking)
    if cfg.quantizer:
        found["quantizer"] = QuantizedTraining(
            quantizers.build(cfg.quantizer),
            model,
            model.masking.parameters_by_matrix,
            pruner.group,
            pruner.prune_set,
            schedule.settled_at,
        )
    built = Callbacks(found)
    if start.origin is not None:
        built.load_state_dict(_saved(cfg, start.origin))
    return built


def _saved(cfg: TranslationPruningConfig, origin: Origin) -> dict[str, Any]:
    """The states that callbacks go on from: fairseq saves the task's part of a checkpoint and never hands it back."""
    if not origin.goes_on:
        return {}
    saved = dict(origin.checkpoint.state.get("task_state") or {})
    if origin.departure is None or origin.departure.flags.get("quantizer") != cfg.quantizer:
        saved.pop("quantizer", None)  # scales of another grid
    return saved
