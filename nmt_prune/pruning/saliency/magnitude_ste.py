"""Magnitude, with a gradient for every weight: masked ones go on learning until the mask is final."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.pruning.groups import Group
from nmt_prune.pruning.saliency import saliencies
from nmt_prune.pruning.saliency.learned import Finder, LearnedSaliency, UntilSettled
from nmt_prune.pruning.schedules import Schedule
from nmt_prune.training.masking import Masking
from nmt_prune.training.optimizer_state import final_gradients, masters


@saliencies.register("magnitude-ste")
@dataclass(frozen=True)
class MagnitudeSTE(LearnedSaliency):
    """|w| of dense weights that the forward pass sees masked, by a straight-through gradient (Zhou et al. 2021).

    At every change of the schedule the mask is selected anew among all weights, by |w| at the schedule's sparsity of
    the moment: W' = W under the mask. The gradient by W' goes to all weights, so that a masked one can come back; those
    that are masked also shrink, w ← (1 - decay) · w before each step, whatever the optimizer and its learning rate
    (SR-STE's term, decoupled). The mask is final where the schedule ends, at 80 % of the training by default (jaxpruner
    stops at 75 %: ``--schedule cubic:end=``); from there on masked weights are zero for good.

    A checkpoint of before is the masked model like any other; what its mask hides, which a resumed training needs,
    stands in the task's part of it.

    Args:
        decay: share of a masked weight that goes in every update, in [0, 1): 0.0002 halves it in 3466 updates.
    """

    can_be_averaged = True
    shows_masks = True

    decay: float = 2e-4

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise PruneError(f"saliency magnitude-ste: decay={self.decay:g} is outside [0, 1)")

    def check(self, group: Group, schedule: Schedule) -> None:
        super().check(group, schedule)
        if not any(schedule.changes_at(update) for update in range(1, schedule.settled_at)):
            raise PruneError(
                "saliency magnitude-ste selects its mask where the schedule changes it, and this one does so only when"
                " the mask is final: give e.g. --schedule cubic, with an interval= below its end="
            )

    def learner(self, masking: Masking, pruner: Finder, schedule: Schedule) -> "DenseLearner":
        return DenseLearner(self, masking, pruner, schedule)


class DenseLearner(UntilSettled):
    """The mask that the forward pass sees, and the dense weights behind it."""

    def __init__(self, saliency: MagnitudeSTE, masking: Masking, pruner: Finder, schedule: Schedule) -> None:
        super().__init__(masking, pruner, schedule)
        self._decay = saliency.decay
        self._current: MaskSet | None = None
        self._saved: Mapping[str, Any] | None = None

    def begin(self, optimizer: Any) -> None:
        """Brings back what the mask of the checkpoint hides, once fairseq has loaded the masked model."""
        if self._saved is None:
            return
        saved, self._saved = self._saved, None
        loaded, parameters = self.masking.masks, list(self.parameters.values())
        held = {
            prunable: saved["held"].get(prunable.name, torch.ones(prunable.shape)).bool()
            for prunable in loaded.prunables
        }
        self.masking.replace(MaskSet(held))
        for prunable, parameter, copy in zip(self.parameters, parameters, masters(optimizer, parameters), strict=True):
            if prunable.name not in saved["hidden"]:
                continue
            values = saved["hidden"][prunable.name].to(parameter)
            hidden = ~loaded[prunable.name] & held[prunable].to(parameter.device)
            if int(hidden.sum()) != len(values):
                raise PruneError(
                    f"the checkpoint hides {len(values)} weights of {prunable.name}, and its mask {int(hidden.sum())};"
                    " go on from a checkpoint as the training wrote it"
                )
            for tensor in (parameter.data, copy):
                tensor[hidden] = values.to(tensor)
        self._show(loaded)

    def before_forward(self, update: int) -> None:
        if self._current is None and update < self.settled_at:
            self._select([parameter.data for parameter in self.parameters.values()], update)
        super().before_forward(update)

    @torch.no_grad()
    def before_step(self, optimizer: Any, update: int) -> None:
        super().before_step(optimizer, update)
        if self.is_settled or not self._decay:
            return
        parameters = list(self.parameters.values())
        slopes = [slope for slope in final_gradients(optimizer, parameters) if slope is not None]
        if not all(bool(slope.isfinite().all()) for slope in slopes):
            return  # under --amp such an update takes no step and is repeated
        for prunable, copy in zip(self.parameters, masters(optimizer, parameters), strict=True):
            if copy.dtype != torch.float32:
                raise PruneError(
                    f"saliency magnitude-ste: in {str(copy.dtype).removeprefix('torch.')} without an fp32 copy a decay"
                    f" of {self._decay:g} is rounded away; give magnitude-ste:decay=0, or train without"
                    " --memory-efficient-fp16 and --memory-efficient-bf16"
                )
            copy.mul_(1 - self._decay * self._hidden(prunable.name))

    def after_step(self, optimizer: Any, update: int) -> None:
        super().after_step(optimizer, update)
        if update <= self.settled_at and self.schedule.changes_at(update):
            self._select(masters(optimizer, list(self.parameters.values())), update)

    def masks(self, update: int) -> MaskSet | None:
        return self._current

    def substitute(self, update: int | None) -> Mapping[str, Tensor]:
        assert self._current is not None
        return {
            prunable.name: parameter * self._current[prunable.name] for prunable, parameter in self.parameters.items()
        }

    def statistics(self) -> dict[str, float]:
        masks = self.masking.masks if self._current is None or self.is_settled else self._current
        return {"learned_sparsity": masks.sparsity(list(self.parameters))}

    def state_dict(self) -> dict[str, Any]:
        if self.is_settled or self._current is None:
            return {"updates": self.updates}
        hidden = {
            prunable.name: parameter.detach()[self._hidden(prunable.name)]
            for prunable, parameter in self.parameters.items()
        }
        with self.masking.as_held():
            held = dict(self.masking.state_dict())
        state = {"updates": self.updates, "hidden": hidden, "held": held}
        # What fairseq is about to write are the parameters themselves; the next forward pass wants the same.
        self._put(None)
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.updates = state["updates"]
        self._saved = state if "hidden" in state and not self.is_settled else None

    def _hidden(self, name: str) -> Tensor:
        """Which weights the current mask hides; those that are gone for good are none of them."""
        assert self._current is not None
        return self.masking.masks[name] & ~self._current[name]

    def _select(self, weights: list[Tensor], update: int) -> None:
        scores = {
            prunable.name: weight.float().abs() for prunable, weight in zip(self.parameters, weights, strict=True)
        }
        matrices, sparsity = self.masking.parameters_by_matrix, self.schedule.sparsity(update)
        self._show(self.pruner.prune_by(scores, matrices, self.masking.masks, sparsity))

    def _show(self, masks: MaskSet) -> None:
        self._current = masks
        self.masking.shown = None if self.is_settled else masks
