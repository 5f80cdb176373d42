"""What a method that closes groups step by step has achieved when they are finally cut."""

import logging
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.saliency import Evidence

logger = logging.getLogger(__name__)


def judge_cut(
    evidence: Evidence, weights: Mapping[Prunable, Tensor], before: MaskSet, after: MaskSet, unready: float, update: int
) -> dict[str, Any]:
    """Measures the loss of the model before and after, on the calibration batches, and logs it.

    Args:
        evidence: the model and training data.
        weights: its matrices, gates folded in.
        before: its masks.
        after: those that follow.
        unready: share of the groups to be removed that had not been closed.
        update: number of updates so far.

    Returns:
        JSON values for checkpoints and ``pruning.json``.
    """
    losses = [evidence.probe(weights, masks).mean_loss() for masks in (before, after)]
    logger.log(
        logging.WARNING if unready > 0 else logging.INFO,
        f"cut at update {update}: {unready:.1%} of what is removed had not been closed before; loss {losses[0]:.4f}"
        f" before, {losses[1]:.4f} after",
    )
    return {"update": update, "not_closed": unready, "loss_before": losses[0], "loss_after": losses[1]}
