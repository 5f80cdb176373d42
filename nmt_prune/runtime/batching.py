"""Sentences of similar length together."""

from collections.abc import Sequence
from typing import NamedTuple


class BatchSize(NamedTuple):
    """How large a batch may be; a single sentence may always.

    Attributes:
        sentences: most sentences.
        tokens: most tokens, padding included.
    """

    sentences: int | None = 32
    tokens: int | None = None


def batches(lengths: Sequence[int], size: BatchSize) -> list[list[int]]:
    """Divides sentences into batches, the longest first, so that none that takes long is left for the end.

    Args:
        lengths: their lengths.
        size: limits.

    Returns:
        Indices of the sentences of each batch; equally long ones stay in order.
    """
    found: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if not found or _is_full(found[-1], lengths[found[-1][0]], size):
            found.append([])
        found[-1].append(index)
    return found


def _is_full(batch: Sequence[int], longest: int, size: BatchSize) -> bool:
    count = len(batch) + 1
    return (size.sentences is not None and count > size.sentences) or (
        size.tokens is not None and count * longest > size.tokens
    )
