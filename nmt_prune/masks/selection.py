"""Exact selection of the k best weights.

Selection is by (score, position), never by a threshold alone, so that ties cannot overrun the count, and it runs on the
CPU, so that every rank, thread count and device gives the same mask bit for bit.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from nmt_prune.errors import PruneError


def select(scores: Mapping[str, Tensor], candidates: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
    """Keeps the ``count`` candidates with the highest scores, over all matrices together.

    Equal scores are kept in the order of the matrices, then of the position in the matrix. Besides one float32 copy of
    the candidates' scores, memory for one matrix at a time is needed, so ``scores`` may compute its values on demand.

    Args:
        scores: a float tensor per matrix; higher is better.
        candidates: a bool tensor per matrix: which weights may be kept.
        count: how many, at most the number of candidates.

    Returns:
        A bool tensor on the CPU per matrix, in the order of ``candidates``.

    Raises:
        PruneError: a score is NaN, or ``count`` exceeds the number of candidates.
    """
    sizes = {name: int(torch.count_nonzero(mask)) for name, mask in candidates.items()}
    total = sum(sizes.values())
    if not 0 <= count <= total:
        raise PruneError(f"cannot keep {count} of {total} weights; ask for a higher sparsity")
    if count == total:
        return {name: mask.cpu().clone() for name, mask in candidates.items()}
    if count == 0:
        return {name: torch.zeros_like(mask, device="cpu") for name, mask in candidates.items()}
    threshold = _threshold(scores, candidates, sizes, count)
    kept, ties, open_places = {}, {}, count
    for name, mask in candidates.items():
        score, mask = _on_cpu(scores[name]), mask.cpu()
        kept[name] = mask & (score > threshold)
        ties[name] = (mask & (score == threshold)).flatten().nonzero().squeeze(1)
        open_places -= int(torch.count_nonzero(kept[name]))
    for name, positions in ties.items():
        positions = positions[:open_places]
        kept[name].view(-1)[positions] = True
        open_places -= len(positions)
    return kept


def _threshold(
    scores: Mapping[str, Tensor], candidates: Mapping[str, Tensor], sizes: Mapping[str, int], count: int
) -> float:
    """The ``count``-th highest score among the candidates."""
    pool, filled = np.empty(sum(sizes.values()), dtype=np.float32), 0
    for name, mask in candidates.items():
        values = _on_cpu(scores[name])
        if torch.isnan(values).any():
            raise PruneError(f"the saliency of {name} is NaN; has the training diverged?")
        chosen = values.flatten() if sizes[name] == mask.numel() else values[mask.cpu()]
        pool[filled : filled + sizes[name]] = chosen.numpy()
        filled += sizes[name]
    position = len(pool) - count
    pool.partition(position)
    return float(pool[position])


def _on_cpu(score: Tensor) -> Tensor:
    return score.detach().to(device="cpu", dtype=torch.float32)
