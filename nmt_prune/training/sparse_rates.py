"""Learning rates by density: sparser matrices take larger steps."""

from typing import Any

import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.training.callback import Callback
from nmt_prune.training.masking import Masking
from nmt_prune.training.optimizer_state import masters


class SparseRates(Callback):
    """Multiplies the learning rate of each matrix of the body by (1 / ρ)^power, ρ its density of the moment.

    SμPar (Dey et al. 2024): Adam's rate of a hidden matrix grows as 1 / ρ; vocabulary matrices keep theirs.
    The step itself is scaled, after the optimizer has taken it, which is the same for every optimizer whose step is
    proportional to its rate (all of fairseq's; decoupled weight decay is part of the step), and needs no parameter
    groups: with flat ``--fp16`` there are none. Nothing has to be saved: ρ follows from the mask of the forward pass.

    Args:
        masking: the masks of the model.
        power: 1 in the paper.
    """

    def __init__(self, masking: Masking, power: float) -> None:
        self._masking, self._power = masking, power
        self._before: list[Tensor] = []

    def factors(self) -> dict[str, float]:
        """What the rate of each masked matrix of the body is multiplied by, by name; 1 for the others."""
        masks = self._masking.seen
        densities = {
            prunable.name: masks.kept(prunable) / prunable.size for prunable in masks.prunables if prunable.in_body
        }
        return {name: density**-self._power for name, density in densities.items() if 0 < density < 1}

    @torch.no_grad()
    def before_step(self, optimizer: Any, update: int) -> None:
        self._factors = self.factors()
        self._parameters = [
            parameter
            for prunable, parameter in self._masking.parameters_by_matrix.items()
            if prunable.name in self._factors
        ]
        copies = masters(optimizer, self._parameters)
        if any(copy.dtype != torch.float32 for copy in copies):
            raise PruneError(
                "--sparse-lr scales steps in fp32, which --memory-efficient-fp16 and --memory-efficient-bf16 have no"
                " weights in; train with --fp16, --bf16 or --amp"
            )
        self._before = [copy.clone() for copy in copies]

    @torch.no_grad()
    def after_step(self, optimizer: Any, update: int) -> None:
        copies = masters(optimizer, self._parameters)
        stepped = zip(self._parameters, copies, self._before, self._factors.values(), strict=True)
        for parameter, copy, before, factor in stepped:
            copy.copy_(torch.lerp(before, copy, factor))
            if copy.data_ptr() != parameter.data_ptr():
                parameter.copy_(copy)
        self._before = []

    def statistics(self) -> dict[str, float]:
        return {"sparse_lr": max(self.factors().values(), default=1.0)}
