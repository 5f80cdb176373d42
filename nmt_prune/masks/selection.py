"""Exact selection of the k best weights.

Selection is never by a threshold alone, so that ties cannot overrun the count. It runs where the masks are and only
counts and compares, so that every rank, thread count and device gives the same mask bit for bit. Among equal scores a
fixed draw decides and not their position: weights in half precision tie by the thousand, and the rows of an embedding
are sorted by frequency.
"""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.randomness import generator

_BLOCK = 1 << 18  # scores looked at together on a CPU: they stay in its cache
_HALF = 1 << 16  # values of one half of a score's 32 bits
_FEW = 1 << 16  # scores that are sooner put in order than counted


def select(scores: Mapping[str, Tensor], candidates: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
    """Keeps the ``count`` candidates with the highest scores, over all matrices together.

    Of equal scores those are kept that are drawn: always the same for the same matrices and scores. Each score is asked
    for up to three times and none is kept, so ``scores`` may compute its values on demand, and the whole model's never
    exist together.

    Args:
        scores: a float tensor per matrix, on whatever device; higher is better.
        candidates: a bool tensor per matrix, all on one device: which weights may be kept.
        count: how many, at most the number of candidates.

    Returns:
        A bool tensor per matrix on the device of ``candidates``, and in their order.

    Raises:
        PruneError: a score is NaN, or ``count`` exceeds the number of candidates.
    """
    total = sum(int(torch.count_nonzero(mask)) for mask in candidates.values())
    if not 0 <= count <= total:
        raise PruneError(f"cannot keep {count} of {total} weights; ask for a higher sparsity")
    if count == total:
        return {name: mask.clone() for name, mask in candidates.items()}
    if count == 0:
        return {name: torch.zeros_like(mask) for name, mask in candidates.items()}
    threshold, open_places = _threshold(scores, candidates, count, total)
    kept, ties = {}, {}
    for name, mask in candidates.items():
        score = _beside(mask, scores[name])
        kept[name] = (mask & (score > threshold)).contiguous()
        ties[name] = (mask & (score == threshold)).flatten().nonzero().squeeze(1)
    for name, chosen in _draw(ties, open_places).items():
        kept[name].view(-1)[chosen] = True
    return kept


def _draw(ties: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
    """Draws ``count`` of the positions, over all matrices together."""
    total = sum(map(len, ties.values()))
    if count == total:
        return dict(ties)
    order = torch.randperm(total, generator=generator(0, "ties", *ties))
    is_chosen = torch.zeros(total, dtype=torch.bool).index_fill_(0, order[:count], True)
    shares = is_chosen.split([len(positions) for positions in ties.values()])
    pairs = zip(ties.items(), shares, strict=True)
    return {name: positions[share.to(positions.device)] for (name, positions), share in pairs}


def _threshold(
    scores: Mapping[str, Tensor], candidates: Mapping[str, Tensor], count: int, total: int
) -> tuple[float, int]:
    """The ``count``-th highest score among all ``total`` candidates, and how many equal to it are to be kept.

    A radix selection: counts the keys by their upper halves, then those with the right upper half by their lower ones.
    """
    if total <= _FEW:
        keys = torch.cat(list(_keys(scores, candidates)))
        found = keys.kthvalue(total - count + 1).values
        return _score(found), count - int(torch.count_nonzero(keys > found))
    halves = ((keys >> 16) + _HALF // 2 for keys in _keys(scores, candidates))
    upper, places = _find(_histogram(halves), count)
    upper -= _HALF // 2
    halves = (keys[(keys >> 16) == upper] & (_HALF - 1) for keys in _keys(scores, candidates))
    lower, places = _find(_histogram(halves), places)
    return _score(torch.tensor(upper * _HALF + lower, dtype=torch.int32)), places


def _score(key: Tensor) -> float:
    return float(_swap(key).view(torch.float32))


def _histogram(halves: Iterable[Tensor]) -> Tensor:
    """How often each half occurs, on the CPU; counted where the halves are."""
    counts = torch.zeros(_HALF, dtype=torch.int64)
    for values in halves:
        counts = counts.to(values.device)
        counts += torch.bincount(values, minlength=_HALF)
    return counts.cpu()


def _find(counts: Tensor, place: int) -> tuple[int, int]:
    """The value at a place (1 is the highest) of a descending order, and its place among its equals."""
    at_least = counts.flip(0).cumsum(0)
    index = int(torch.searchsorted(at_least, place))
    value = len(counts) - 1 - index
    return value, place - int(at_least[index] - counts[value])


def _keys(scores: Mapping[str, Tensor], candidates: Mapping[str, Tensor]) -> Iterator[Tensor]:
    """The candidates' scores, a block at a time, as int32 numbers of the same order."""
    for name, mask in candidates.items():
        for selected in _selected(checked(scores, name, mask).flatten(), mask.flatten()):
            yield _swap((selected + 0.0).view(torch.int32))  # adding 0.0 makes -0.0 and 0.0 equal


def _selected(values: Tensor, mask: Tensor) -> Iterator[Tensor]:
    if not _in_blocks(values.device):
        yield values[mask]
        return
    for block, chosen in zip(values.split(_BLOCK), mask.split(_BLOCK), strict=True):
        # Indexing in NumPy: torch would build 64-bit positions first.
        yield torch.from_numpy(block.numpy()[chosen.numpy()])


def _in_blocks(device: torch.device) -> bool:
    """Whether a matrix is looked at in parts; on a GPU a whole one at a time keeps it busy."""
    return device.type == "cpu"


def _swap(bits: Tensor) -> Tensor:
    """Between a float's bits and an int32 number of the same order; its own inverse.

    Positive floats are ordered like their bits, negative ones the other way round: all their bits but the sign flip.
    """
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def _beside(mask: Tensor, score: Tensor) -> Tensor:
    return score.detach().to(device=mask.device, dtype=torch.float32)


def checked(scores: Mapping[str, Tensor], name: str, mask: Tensor) -> Tensor:
    """The scores of a matrix, as float32 on the device of its mask.

    Raises:
        PruneError: one of them is NaN.
    """
    values = _beside(mask, scores[name])
    if values.max().isnan():
        raise PruneError(f"the saliency of {name} is NaN; has the training diverged?")
    return values
