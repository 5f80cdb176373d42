"""What the same weights take in the formats that others use."""

import io
from typing import Any

import numpy as np

from nmt_prune.storage.model.kept_values import KeptValues

_WORD = 4  # bytes of an index and of a value


def csc_bytes(tensor: KeptValues) -> int:
    """Bytes of a matrix in compressed sparse columns, 32-bit indices and fp32 values; of a vector its dense bytes."""
    if len(tensor.shape) == 1:
        return _WORD * tensor.shape[0]
    return 2 * _WORD * tensor.kept + _WORD * (tensor.shape[1] + 1)


def deflated_csc_bytes(tensor: KeptValues) -> int:
    """Bytes of the same arrays in a file of ``numpy.savez_compressed``, as ``scipy.sparse.save_npz`` writes them."""
    if len(tensor.shape) == 1:
        return csc_bytes(tensor)
    columns, rows = np.nonzero(tensor.spread(np.ones(tensor.kept, np.bool_)).T)
    arrays: dict[str, Any] = {
        "indices": rows.astype(np.int32),
        "indptr": np.searchsorted(columns, np.arange(tensor.shape[1] + 1)).astype(np.int32),
        "format": np.array(b"csc"),
        "shape": np.array(tensor.shape),
        "data": tensor.dense()[rows, columns],
    }
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.tell()
