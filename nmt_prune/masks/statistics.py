"""How sparse a checkpoint is, and where."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable


@dataclass(frozen=True)
class MatrixStatistics:
    """Counts of one matrix.

    Attributes:
        prunable: the matrix.
        kept: weights that exist, without the padding row.
        dead_rows: rows (outputs) without a single weight.
        dead_columns: columns (inputs) without a single weight.
        largest: max |w|; None where only the mask is known.
    """

    prunable: Prunable
    kept: int
    dead_rows: int
    dead_columns: int
    largest: float | None

    @property
    def sparsity(self) -> float:
        """Share of weights that do not exist."""
        return 1 - self.kept / self.prunable.size


def matrix_statistics(masks: MaskSet, weights: Mapping[Prunable, Tensor] | None = None) -> list[MatrixStatistics]:
    """Counts per matrix; without weights (a mask file) there is no largest one."""
    rows = []
    for prunable in masks.prunables:
        mask = masks.candidates(prunable)
        padding = 0 if prunable.padding_row is None else 1
        rows.append(
            MatrixStatistics(
                prunable=prunable,
                kept=masks.kept(prunable),
                dead_rows=int((~mask.any(dim=1)).sum()) - padding,
                dead_columns=int((~mask.any(dim=0)).sum()),
                largest=None if weights is None else float(weights[prunable].abs().max()),
            )
        )
    return rows


def totals(masks: MaskSet, parameters: int) -> dict[str, float]:
    """Sparsity over three denominators, which differ a lot for small models with a large embedding.

    Args:
        masks: the masks of all matrices.
        parameters: number of parameters of the whole model, tied ones once.

    Returns:
        ``prunable``: over all matrices; ``all``: over all parameters, biases and layer norms too; ``body``: over the
        matrices without embeddings and output projection.
    """
    gone = sum(prunable.size - masks.kept(prunable) for prunable in masks.prunables)
    return {
        "prunable": masks.sparsity(),
        "all": gone / parameters,
        "body": masks.sparsity(prunable for prunable in masks.prunables if prunable.in_body),
    }


def largest_weight(weights: Iterable[Tensor]) -> float:
    """Max |w|, which grows from rung to rung when SLT rewinds to the last one (Brix 2020, section 5)."""
    return max((float(weight.detach().float().abs().max()) for weight in weights), default=0.0)
