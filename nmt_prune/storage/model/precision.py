"""Types of stored values, from the one that changes nothing to the one that is smallest."""

from typing import get_args

import numpy as np
import numpy.typing as npt

from nmt_prune.errors import PruneError
from nmt_prune.storage.model.compact_model import Values
from nmt_prune.storage.model.kept_values import KeptValues

_LARGEST_CODE = 127


def check_values(values: str) -> None:
    """Refuses an unknown type.

    Raises:
        PruneError: it is none of ``Values``.
    """
    if values not in get_args(Values):
        raise PruneError(f"--values {values}: choose from {', '.join(get_args(Values))}")


def converted(name: str, tensor: KeptValues, values: str) -> KeptValues:
    """The same tensor with values of another type; one that needs fewer bits already stays as it is.

    Args:
        name: of the tensor, for messages.
        tensor: the tensor.
        values: ``float32``: as they are; ``float16``, ``bfloat16``: rounded to the nearest, to even in ties (bfloat16
            in float32 arrays); ``auto``: float16 where every value is in its normal range, float32 elsewhere;
            ``int8``: round(w / s) with a scale s = max |w| / 127 per row, s rounded up to a bfloat16. Vectors stay as
            they are.

    Raises:
        PruneError: a value does not fit the type.
    """
    exact = tensor.values
    if values == "float32" or exact.dtype != np.float32 or len(tensor.shape) != 2 or not exact.size:
        return tensor
    if not np.isfinite(exact).all():
        raise PruneError(f"{name} has infinite values or NaN, which --values {values} cannot keep; use float32")
    if values == "int8":
        return _int8(tensor)
    if values == "bfloat16":
        return KeptValues(tensor.shape, tensor.mask, to_bfloat16(exact))
    largest, smallest = np.abs(exact).max(), np.abs(exact[exact != 0]).min(initial=np.inf)
    if values == "auto" and not (largest < np.finfo(np.float16).max and smallest >= np.finfo(np.float16).tiny):
        return tensor
    if largest >= np.finfo(np.float16).max:
        raise PruneError(f"{name} has the weight {largest:g}, too large for float16; use --values bfloat16 or auto")
    return KeptValues(tensor.shape, tensor.mask, exact.astype(np.float16))


def to_bfloat16(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rounds finite values to the 16 upper bits of float32, to even in ties."""
    bits = values.view(np.uint32)
    return ((bits + (0x7FFF + ((bits >> 16) & 1))) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def _int8(tensor: KeptValues) -> KeptValues:
    scales = tensor.row_maxima() / np.float32(_LARGEST_CODE)
    scales = ((scales.view(np.uint32) + 0xFFFF) & 0xFFFF0000).astype(np.uint32).view(np.float32)
    divisors = np.repeat(np.where(scales > 0, scales, np.float32(1)), tensor.row_counts)
    codes = np.rint(tensor.values / divisors).clip(-_LARGEST_CODE, _LARGEST_CODE).astype(np.int8)
    return KeptValues(tensor.shape, tensor.mask, codes, scales)
