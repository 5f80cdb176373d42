"""Positions as sines and cosines, all sines before all cosines, as tensor2tensor, fairseq and Marian have them."""

import math

import numpy as np
import numpy.typing as npt

_ROUNDED = 0.01  # more than 8 bits take from a sine


def sinusoids(length: int, dim: int, first: int = 0) -> npt.NDArray[np.float32]:
    """The vectors of positions: fairseq counts from 2 and Marian from 0.

    Args:
        length: number of positions.
        dim: width.
        first: number of the first one.

    Returns:
        Length × dim; the last column of an odd width is zero.
    """
    half = dim // 2
    frequencies = np.exp(np.arange(half) * -(math.log(10000) / max(1, half - 1)))
    angles = np.arange(first, first + length)[:, np.newaxis] * frequencies
    return np.pad(np.hstack([np.sin(angles), np.cos(angles)]), [(0, 0), (0, dim % 2)]).astype(np.float32)


def count_from_zero(table: npt.NDArray[np.float32]) -> bool:
    """Whether a table of positions, without rows in front, is Marian's: training leaves no other one so.

    Args:
        table: length × dim, rounded to 8 bits perhaps.
    """
    return bool((np.abs(table - sinusoids(*table.shape)) < _ROUNDED).all())
