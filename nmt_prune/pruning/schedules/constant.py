"""The final sparsity from the first update on: lottery tickets, fine-tuning, pruning at initialisation."""

from dataclasses import dataclass

from nmt_prune.pruning.schedules import Schedule, schedules


@schedules.register("constant")
@dataclass(frozen=True)
class Constant(Schedule):
    """One mask, fixed for the whole training (Frankle & Carbin 2019; Brix 2020, LT, SLT and CLT)."""

    @property
    def settled_at(self) -> int:
        return 0

    def sparsity(self, update: int) -> float:
        return self.final
