"""Keep the trained weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from nmt_prune.pruning.resets import Reset, resets


@resets.register("keep")
@dataclass(frozen=True)
class Keep(Reset):
    """θ_T: fine-tuning, and learning-rate rewinding if the clock is rewound (Renda 2020)."""

    needs_rewind_point: ClassVar[bool] = False

    def base(self, trained: Mapping[str, Tensor], rewind_point: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return trained
