"""Masks of blocks, whole rows, columns or heads: one element stands for a block."""

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


def reduce(mask: Mask, shape: tuple[int, ...]) -> tuple[tuple[int, int], Mask]:
    """Finds the largest blocks, in a grid that begins at the first element, within which a mask is constant.

    Args:
        mask: flat.
        shape: of the tensor; only matrices have blocks.

    Returns:
        Rows and columns of a block, and the flat mask of one element per block.
    """
    if len(shape) != 2 or not mask.size:
        return (1, 1), mask
    small, block = mask.reshape(shape), [1, 1]
    for axis in (0, 1):
        for factor in _prime_factors(shape[axis]):
            merged = _merged(small, axis, factor)
            if merged is not None:
                small, block[axis] = merged, block[axis] * factor
    return (block[0], block[1]), np.ascontiguousarray(small).reshape(-1)


def expand(small: Mask, shape: tuple[int, ...], block: tuple[int, int]) -> Mask:
    """The flat mask that :func:`reduce` was given."""
    rows, columns = shape[0] // block[0], shape[1] // block[1]
    return small.reshape(rows, columns).repeat(block[1], axis=1).repeat(block[0], axis=0).reshape(-1)


def _merged(mask: Mask, axis: int, factor: int) -> Mask | None:
    """The mask with so many neighbours merged; None if they differ."""
    lines = mask.reshape(-1, factor, mask.shape[1]) if axis == 0 else mask.reshape(mask.shape[0], -1, factor)
    groups = lines if axis == 0 else lines.swapaxes(1, 2)
    first = groups[:, 0]
    # Neighbours of random masks differ at once: look at a few groups before all of them.
    for part in (slice(0, 4), slice(None)):
        if any((groups[part, other] != first[part]).any() for other in range(1, factor)):
            return None
    return first


def _prime_factors(number: int) -> list[int]:
    found, factor = [], 2
    while factor * factor <= number:
        while number % factor == 0:
            found.append(factor)
            number //= factor
        factor += 1
    return [*found, number] if number > 1 else found
