"""Values that need fewer bits than their type has, found without loss: quantized, ternary or half-precision weights."""

import numpy as np
import numpy.typing as npt

from nmt_prune.storage.model.kept_values import KeptValues


def narrowed(tensor: KeptValues, scales: npt.NDArray[np.float32] | None = None) -> KeptValues:
    """The same tensor in int8 or float16, as long as its bits come back; otherwise the tensor as it is.

    Args:
        tensor: with float32 values.
        scales: of its rows, or one of the matrix, where it was quantized.
    """
    if tensor.values.dtype != np.float32 or not tensor.values.size:
        return tensor
    if len(tensor.shape) == 2:
        rows = tensor.shape[0]
        known = None if scales is None else np.broadcast_to(scales.reshape(-1), rows).astype(np.float32)
        on_grid = _on_grid(tensor, known if known is not None else _ternary_scales(tensor))
        if on_grid is not None:
            return on_grid
    return _half(tensor)


def _on_grid(tensor: KeptValues, scales: npt.NDArray[np.float32] | None) -> KeptValues | None:
    if scales is None:
        return None
    by_value = np.repeat(scales, tensor.row_counts)
    with np.errstate(all="ignore"):
        codes = np.rint(np.divide(tensor.values, by_value, where=by_value != 0, out=np.zeros_like(tensor.values)))
    if not (np.abs(codes + 0.5) < 128).all():
        return None
    zeros = (codes == 0) & np.signbit(tensor.values)
    found = KeptValues(tensor.shape, tensor.mask, codes.astype(np.int8), scales, zeros if zeros.any() else None)
    same = found.kept_values().view(np.uint32) == tensor.values.view(np.uint32)
    return found if same.all() else None


def _ternary_scales(tensor: KeptValues) -> npt.NDArray[np.float32] | None:
    """The largest size in each row, if the first row with values has no other one but 0.

    None where no row has two weights: each would be on a grid of its own by chance, and the engines compute with int8
    otherwise than with float32.
    """
    sizes, counts = np.abs(tensor.values), tensor.row_counts
    if counts.max() < 2:
        return None
    first = sizes[: counts[np.flatnonzero(counts)[0]]]
    if not ((first == first.max()) | (first == 0)).all():
        return None
    return tensor.row_maxima()


def _half(tensor: KeptValues) -> KeptValues:
    bits = tensor.values.view(np.uint32)
    if (bits[:64] & 0x1FFF).any():
        return tensor
    with np.errstate(over="ignore"):
        half = tensor.values.astype(np.float16)
    same = (half.astype(np.float32).view(np.uint32) == bits).all()
    return KeptValues(tensor.shape, tensor.mask, half) if same else tensor
