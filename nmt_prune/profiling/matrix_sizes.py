"""Bytes of every matrix in every format."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from nmt_prune.profiling.csc import csc_bytes, deflated_csc_bytes
from nmt_prune.storage.coding import positions, values
from nmt_prune.storage.coding.positions.blocks import reduce
from nmt_prune.storage.coding.streams import StreamWriter
from nmt_prune.storage.format.encoded_tensor import decoded
from nmt_prune.storage.format.encoding import encode
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.kept_values import KeptValues
from nmt_prune.storage.model.layout import layout

VECTORS = "vectors"
"""Biases and layer norms, in one row."""

STORED = "stored"
"""The format of the compact file, which is the smallest of its forms."""

FORMATS = ("float32", "float16", "int8", "CSC", "deflated CSC", *positions.FORMS, STORED)
"""Dense; compressed sparse columns in fp32, raw and deflated; the index forms of compact files with their values."""

_WORD = 4  # bytes of a value in fp32


@dataclass(frozen=True)
class MatrixSize:
    """One matrix, or all vectors.

    Attributes:
        name: its state-dict key.
        shape: its shape; of the vectors together: their number of elements.
        kept: elements that are kept.
        size: bytes by name of ``FORMATS``; without those of a form that it cannot have.
    """

    name: str
    shape: tuple[int, ...]
    kept: int
    size: Mapping[str, int]

    @property
    def density(self) -> float:
        """Share of the elements that are kept."""
        return self.kept / max(1, prod(self.shape))


def matrix_sizes(model: CompactModel) -> list[MatrixSize]:
    """Measures all tensors by encoding them, vectors last.

    Args:
        model: the model; kept values are measured in the type that they have there.
    """
    names = layout(model.architecture, len(model.source), len(model.target))
    tensors = {name: decoded(model.weights[name]) for name in names if name in model.weights}
    rows = [_matrix(name, tensor) for name, tensor in tensors.items() if len(tensor.shape) == 2]
    vectors = [tensor for tensor in tensors.values() if len(tensor.shape) == 1]
    elements = sum(prod(tensor.shape) for tensor in vectors)
    # As compact files keep them: one behind the other, in this order.
    together = KeptValues.of(np.concatenate([tensor.dense() for tensor in vectors]))
    size = {"float32": _WORD * elements, STORED: len(encode(together)[1])}
    return [*rows, MatrixSize(VECTORS, (elements,), sum(tensor.kept for tensor in vectors), size)]


def total_bytes(rows: list[MatrixSize]) -> dict[str, int]:
    """Bytes of a whole model by format; what has no such form counts as it is stored, vectors in fp32 where dense."""
    dense = {"float32", "float16", "int8", "CSC", "deflated CSC"}
    return {
        name: sum(row.size.get(name, row.size["float32" if name in dense else STORED]) for row in rows)
        for name in FORMATS
    }


def _matrix(name: str, tensor: KeptValues) -> MatrixSize:
    elements = prod(tensor.shape)
    size = {
        "float32": _WORD * elements,
        "float16": _WORD // 2 * elements,
        "int8": elements + _WORD * tensor.shape[0],  # and a scale per row
        "CSC": csc_bytes(tensor),
        "deflated CSC": deflated_csc_bytes(tensor),
        **_forms(tensor),
        STORED: len(encode(tensor)[1]),
    }
    return MatrixSize(name, tensor.shape, tensor.kept, size)


def _forms(tensor: KeptValues) -> dict[str, int]:
    """Bytes in each index form; a matrix without zeros has no index."""
    if tensor.mask is None:
        return {}
    kept = StreamWriter()
    values.encode(tensor.values, kept)
    if tensor.scales is not None:
        values.encode(tensor.scales, kept)
    _, mask = reduce(tensor.mask, tensor.shape)
    found = {}
    for name, form in positions.FORMS.items():
        index = StreamWriter()
        form.encode(mask, index)
        found[name] = sum(index.lengths) + sum(kept.lengths)
    return found
