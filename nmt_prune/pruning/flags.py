"""The declaration of the pruning settings, which flags, recipes and the command line take from here.

Without torch, which takes seconds to import.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nmt_prune.masks.prunable import PruneSet

FILES = ("mask_from", "rewind_from", "counts_from")
"""The flags that name checkpoints or mask files; in recipes' runs RUN/FILE."""


@dataclass(frozen=True)
class PruningFlags:
    """One technique, spelled out. The names are those of the flags of the task ``translation_pruning``.

    Attributes:
        mask_from: trained checkpoint whose weights (and masks so far) are pruned, or a mask file.
        rewind_from: checkpoint that weights or clock are rewound to.
        saliency: spec of the saliency.
        budget: spec of the budget.
        group: spec of the group.
        sparsity: final sparsity of the prune set; None: that of ``mask_from``.
        schedule: spec of the schedule.
        mask_control: ``none``, ``shuffled`` or ``inverted``.
        counts_from: checkpoint or mask file with the counts per matrix that the control has; None: the real mask's.
        reset: spec of the reset.
        clock: ``restart``, ``rewind`` or ``keep``.
        prune_set: ``all`` or ``body``.
        seed: seed of random masks, controls, resets and calibration batches.
        calibration_batches: number of mini-batches that the saliency is measured on, if it is.
        max_update: length of the training, for schedules that depend on it.
    """

    mask_from: str | None = None
    rewind_from: str | None = None
    saliency: str = "magnitude"
    budget: str = "matrix"
    group: str = "element"
    sparsity: float | None = None
    schedule: str = "constant"
    mask_control: str = "none"
    counts_from: str | None = None
    reset: str = "keep"
    clock: str = "restart"
    prune_set: "PruneSet" = "all"
    seed: int = 1
    calibration_batches: int = 16
    max_update: int = 0
