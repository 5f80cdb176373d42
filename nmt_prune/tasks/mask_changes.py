"""The changes of a training's mask: when they are due, what they are found on, and whether all of them have come."""

from dataclasses import replace
from typing import Any

from torch import Tensor

from nmt_prune.checkpoints.moments import SECOND
from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency import Evidence
from nmt_prune.tasks.config import TranslationPruningConfig
from nmt_prune.tasks.cut import judge_cut
from nmt_prune.tasks.ending import LATER_END
from nmt_prune.tasks.provenance import PASSES, note
from nmt_prune.tasks.start import Start
from nmt_prune.tasks.workers import check_agreement
from nmt_prune.training.callbacks import Callbacks
from nmt_prune.training.masking import Masking
from nmt_prune.training.optimizer_state import masters, moments


class MaskChanges:
    """What the schedule of a training makes of its mask.

    Attributes:
        departure: what the training began with, and how the cut went where groups are closed before they are cut.

    Args:
        cfg: the task's configuration.
        masking: the masks of the model, and its weights.
        pruner: finds the masks, unless a callback has them.
        evidence: the model and training data, for saliencies that are measured.
        callbacks: those of the training.
        began: how the training has started.
    """

    def __init__(
        self,
        cfg: TranslationPruningConfig,
        masking: Masking,
        pruner: Pruner,
        evidence: Evidence,
        callbacks: Callbacks,
        began: Start,
    ) -> None:
        self._cfg, self._masking, self._pruner = cfg, masking, pruner
        self._evidence, self._callbacks, self._schedule = evidence, callbacks, began.schedule
        self.departure = began.departure

    def are_settled(self, updates: int) -> bool:
        """Whether after so many updates the mask has the sparsity that the schedule ends with."""
        return updates >= self._schedule.settled_at

    def are_due(self, updates: int) -> bool:
        """Whether the mask changes after so many updates."""
        return self._schedule.changes_at(updates) and updates >= self._callbacks.settled_at

    def make(self, optimizer: Any, updates: int, ema_model: Any) -> None:
        """Changes the mask of the model, of the optimizer's state, and of the moving average if there is one.

        Raises:
            PruneError: the mask cannot be found, or processes found different ones.
        """
        masks = self._callbacks.masks(updates)
        if masks is None:
            masks = self._found(optimizer, updates)
        check_agreement(masks, f"masks at update {updates}")
        self._judge_cut(masks, updates)
        self._masking.replace(masks)
        self._masking.mask_optimizer(optimizer)
        if ema_model is not None:
            ema_model.masking.replace(masks)

    def check_end(self, updates: int) -> None:
        """Whatever has ended the training after so many updates: its mask must be final.

        Raises:
            PruneError: it is not.
        """
        settled_at = max(self._schedule.settled_at, self._callbacks.settled_at)
        if updates < settled_at:
            share = self._pruner.pruned_share(self._masking.masks)
            raise PruneError(
                f"training ended at update {updates} with sparsity {share:.6g}, before the mask is final: --schedule"
                f" {self._cfg.schedule} reaches {self._schedule.final:g} at update {settled_at};"
                f" {self._cfg.save_dir} is kept: {LATER_END}, or give the schedule an earlier one in a new --save-dir"
            )

    def _found(self, optimizer: Any, updates: int) -> MaskSet:
        parameters = self._masking.parameters_by_matrix
        weights = dict(zip(parameters, masters(optimizer, list(parameters.values())), strict=True))
        measured = self._evidence.passes.count
        pruner = self._pruner.reading(lambda: self._second_moments(optimizer))
        # A training that goes on with more updates may be ahead of its schedule, which the mask then waits for.
        sparsity = max(self._schedule.sparsity(updates), pruner.pruned_share(self._masking.masks))
        masks = pruner.prune(weights, self._masking.masks, sparsity)
        if self._evidence.passes.count > measured:
            note(self._cfg.save_dir, {PASSES: self._evidence.passes.count})
        return masks

    def _second_moments(self, optimizer: Any) -> dict[str, Tensor] | None:
        parameters = self._masking.parameters_by_matrix
        states = zip(parameters, moments(optimizer, list(parameters.values())), strict=True)
        return {prunable.name: state[SECOND] for prunable, state in states if SECOND in state} or None

    def _judge_cut(self, masks: MaskSet, updates: int) -> None:
        before = self._masking.masks
        unready = self._callbacks.unready(self._pruner.going(before, masks))
        if unready is not None and before != masks:
            weights = self._masking.parameters_by_matrix
            cut = judge_cut(self._evidence, weights, before, masks, unready, updates)
            self.departure = replace(self.departure, cut=cut)
            note(self._cfg.save_dir, {"cut": cut})
