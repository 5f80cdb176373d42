"""Hard-Concrete gates on heads and feed-forward units."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import log
from typing import Any

import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable, restrict
from nmt_prune.pruning.groups import Group
from nmt_prune.pruning.groups.head import Head
from nmt_prune.pruning.groups.unit import Unit
from nmt_prune.pruning.saliency import saliencies
from nmt_prune.pruning.saliency.learned import Finder
from nmt_prune.pruning.saliency.trained_scores import Learner, TrainedScores
from nmt_prune.pruning.schedules import Schedule
from nmt_prune.randomness import generator
from nmt_prune.training.masking import Masking
from nmt_prune.training.optimizer_state import masters

TEMPERATURE, LOWEST, HIGHEST = 0.33, -0.1, 1.1
"""τ, γ and ζ of Louizos et al. 2018 as Voita et al. 2019 have them."""


def sampled_gate(log_alpha: Tensor, noise: Tensor) -> Tensor:
    """A sample of the gate: σ((log u - log(1 - u) + log α) / τ), stretched to (γ, ζ) and clipped to [0, 1].

    Args:
        log_alpha: log α.
        noise: u, uniform in (0, 1), of the same shape.
    """
    soft = torch.sigmoid((noise.log() - (1 - noise).log() + log_alpha) / TEMPERATURE)
    return (soft * (HIGHEST - LOWEST) + LOWEST).clamp(0, 1)


def expected_gate(log_alpha: Tensor) -> Tensor:
    """The gate without noise, for evaluation: σ(log α), without τ, stretched and clipped."""
    return (torch.sigmoid(log_alpha) * (HIGHEST - LOWEST) + LOWEST).clamp(0, 1)


def probability_open(log_alpha: Tensor) -> Tensor:
    """P(gate > 0) = σ(log α - τ log(-γ / ζ)), the gate's part of the expected L0 norm."""
    return torch.sigmoid(log_alpha - TEMPERATURE * log(-LOWEST / HIGHEST))


@saliencies.register("hard-concrete")
@dataclass(frozen=True)
class HardConcrete(TrainedScores):
    """log α of a gate on each head or feed-forward unit (Voita et al. 2019, Louizos et al. 2018).

    The gate multiplies the head's columns of out_proj, or the unit's column of fc2, which is the same as gating what
    goes into them. Each update draws one sample per gate; weights and gates learn together. It starts from a converged
    model. When the schedule settles the gates are multiplied into the weights; its sparsities in between say nothing.

    What closes gates is a penalty on the expected sparsity s = 1 - mean P(gate > 0) of all of them together:
    λ₁ (t - s) + λ₂ (t - s)², where t rises to ``--sparsity`` over the first half of the time. λ₁ and λ₂ are learned by
    gradient ascent while gates and weights descend (Wang, Wohlwend & Lei 2020, section 3.3), until s is what is asked
    for. With a ``strength`` the loss instead gains strength · Σ P(gate > 0), averaged over the layers of all kinds, as
    in Voita's code; then that decides how many gates close.

    Args:
        lr: learning rate of log α and of the penalty's weights. To close a gate log α falls by 4.6, in a step of Adam
            by no more than this: a short training needs a large one.
        strength: λ, the weight of a constant penalty against the loss per token; None: one that adapts.
        initial: log α at the start; σ(2.197) = 0.9 (Gale et al. 2019).
        exact: whether exactly ``--sparsity`` of the groups go, by the budget, those of the lowest log α; otherwise
            those go whose gate is 0, as published, and the function of the model does not change at all.
    """

    lr: float = 0.1
    strength: float | None = None
    initial: float = 2.197
    exact: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.strength is not None and self.strength < 0:
            raise PruneError(f"saliency hard-concrete: strength={self.strength:g} must not be negative")

    def check(self, group: Group, schedule: Schedule) -> None:
        super().check(group, schedule)
        if not isinstance(group, (Head, Unit)):
            raise PruneError("saliency hard-concrete has gates on heads or units: give --group head or --group unit")

    def learner(self, masking: Masking, pruner: Finder, schedule: Schedule) -> "GateLearner":
        return GateLearner(self, masking, pruner, schedule)


class GateLearner(Learner):
    """The gates, one log α per group, by family."""

    def __init__(self, saliency: HardConcrete, masking: Masking, pruner: Finder, schedule: Schedule) -> None:
        self.saliency = saliency
        # Before the scores are made, one for each group.
        self._families = pruner.group.families(restrict(masking.parameters_by_matrix, pruner.prune_set))
        super().__init__(saliency, masking, pruner, schedule)
        self._multipliers = torch.zeros(2, requires_grad=True)
        self._ascent = torch.optim.Adam([self._multipliers], lr=saliency.lr, maximize=True)

    def initial_scores(self) -> dict[str, Tensor]:
        return {family.name: torch.full(family.shape, self.saliency.initial) for family in self._families}

    def masks(self, update: int) -> MaskSet:
        group, held = replace(self.pruner.group, reduce="mean", of="all", normalise=False), self.masking.masks
        if self.saliency.exact:
            values = {
                prunable.name: self.scores[family.name].detach().cpu().flatten()[ids].expand(prunable.shape)
                for family, members in self._families.items()
                for prunable, ids in members
            }
            weights, sparsity = self.masking.parameters_by_matrix, self.schedule.sparsity(update)
            return self.pruner.prune_by(values, weights, held, sparsity, group)
        is_open = {family: expected_gate(self.scores[family.name]) > 0 for family in self._families}
        within = MaskSet({prunable: held[prunable.name] for prunable in self.parameters})
        kept = group.expand(MaskSet(is_open), within)
        return MaskSet({p: kept[p.name] if p.name in kept else held[p.name] for p in held.prunables})

    def substitute(self, update: int | None) -> Mapping[str, Tensor]:
        gates = self._gates(update)
        matrices = {prunable.name: parameter for prunable, parameter in self.parameters.items()}
        return {name: matrices[name] * gate.to(matrices[name].dtype) for name, gate in self._columns(gates).items()}

    def learn(self, slopes: Mapping[str, Tensor], weights: Mapping[str, Tensor], update: int) -> Mapping[str, Tensor]:
        with torch.enable_grad():
            columns = self._columns(self._gates(update))
            objective = self._penalty(update)
            for name, gate in columns.items():
                # The derivative by the gate of a column, as a constant.
                objective = objective + (gate * (slopes[name] * weights[name].float()).sum(dim=0)).sum()
        self._ascent.zero_grad()
        objective.backward()
        self._ascent.step()
        return {name: gate.detach() for name, gate in columns.items()}

    def _penalty(self, update: int) -> Tensor:
        chances = torch.stack([probability_open(log_alpha).sum() for log_alpha in self.scores.values()])
        if self.saliency.strength is not None:
            return self.saliency.strength * chances.mean()
        target = self.schedule.final * min(1.0, 2 * update / self.settled_at)
        missing = target - (1 - chances.sum() / sum(score.numel() for score in self.scores.values()))
        first, second = self._multipliers.to(missing)
        return first * missing + second * missing.square()

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        if "scores" in state:
            state |= {"multipliers": self._multipliers.detach(), "ascent": self._ascent.state_dict()}
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        if "multipliers" in state:
            self._multipliers.data.copy_(state["multipliers"])
            self._ascent.load_state_dict(state["ascent"])

    def unready(self, going: MaskSet) -> float:
        gates = {family.name: expected_gate(self.scores[family.name].detach()) for family in self._families}
        still_open = sum(int((going[name] & (gate > 0)).sum()) for name, gate in gates.items())
        return still_open / max(1, sum(int(going[name].sum()) for name in gates))

    def after_step(self, optimizer: Any, update: int) -> None:
        super().after_step(optimizer, update)
        if update == self.settled_at:
            self._fold(optimizer)

    def statistics(self) -> dict[str, float]:
        if self.is_settled:
            return {"gates_open": 1 - self.pruner.pruned_share(self.masking.masks)}
        gates = torch.cat([expected_gate(log_alpha.detach()).flatten() for log_alpha in self.scores.values()])
        return {"gates_open": float((gates > 0).float().mean())}

    @torch.no_grad()
    def _fold(self, optimizer: Any) -> None:
        """Multiplies the gates into the weights."""
        parameters = list(self.parameters.values())
        copies = masters(optimizer, parameters)
        columns = self._columns(self._gates(None))
        for prunable, parameter, copy in zip(self.parameters, parameters, copies, strict=True):
            if prunable.name in columns:
                copy.mul_(columns[prunable.name].to(copy))
                parameter.copy_(copy)

    def _gates(self, update: int | None) -> dict[str, Tensor]:
        """The gates by family, with the noise of an update or without any."""
        if update is None:
            return {name: expected_gate(log_alpha) for name, log_alpha in self.scores.items()}
        return {name: sampled_gate(log_alpha, self._noise(name, update)) for name, log_alpha in self.scores.items()}

    def _noise(self, name: str, update: int) -> Tensor:
        """The u of an update: the same on all workers, and after a restart."""
        chance = generator(self.saliency.seed, "hard-concrete", name, str(update))
        noise = torch.rand(self.scores[name].shape, generator=chance).clamp(1e-6, 1 - 1e-6)
        return noise.to(self.scores[name].device)

    def _columns(self, gates: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The gate of each column of the output matrices, (1, columns), by matrix."""
        return {
            prunable.name: gates[family.name].flatten()[ids.to(gates[family.name].device)]
            for family, prunable, ids in self._outputs()
        }

    def _outputs(self) -> list[tuple[Prunable, Prunable, Tensor]]:
        return [
            (family, prunable, ids)
            for family, members in self._families.items()
            for prunable, ids in members
            if prunable.matrix in ("out_proj", "fc2")
        ]
