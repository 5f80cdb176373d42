"""The diagonal of the Fisher information that Adam keeps anyway."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.saliency import Saliency, saliencies


@saliencies.register("adam-fisher")
@dataclass(frozen=True)
class AdamFisher(Saliency):
    """w² · v̂, v̂ Adam's second moment: twice what the loss rises by without the weight (Kurtic & Alistarh 2022).

    Read at the mask change from the training's optimizer, or from the checkpoint to prune; nothing is measured. Adam's
    correction for its start is the same factor everywhere and left out. Early in a training v̂ knows few updates.

    Args:
        moments: gives the second moments by matrix; None where there is no Adam.
    """

    reads_optimizer = True

    moments: Callable[[], Mapping[str, Tensor] | None] | None = field(default=None, kw_only=True)

    def reading(self, moments: Callable[[], Mapping[str, Tensor] | None]) -> Saliency:
        return replace(self, moments=moments)

    def score_matrix(self, prunable: Prunable, weight: Tensor) -> Tensor:
        found = self.moments() if self.moments else None
        if found is None or prunable.name not in found:
            raise PruneError(
                "saliency adam-fisher reads Adam's second moments, and there are none yet: train with --optimizer adam"
                " and a --schedule that prunes later, or give a checkpoint saved with Adam's state"
            )
        return weight.float().square() * found[prunable.name].to(weight.device).float()
