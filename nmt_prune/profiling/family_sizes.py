"""What the tensors of a compact model take, by family, beside other formats."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np

from nmt_prune.masks.prunable import parse
from nmt_prune.profiling.csc import csc_bytes, deflated_csc_bytes
from nmt_prune.storage.format.encoded_tensor import EncodedTensor, decoded
from nmt_prune.storage.format.encoding import encode
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.kept_values import KeptValues

_FAMILIES = {"self_attn": "self-attention", "encoder_attn": "cross-attention", "ffn": "FFN", "vocabulary": "vocabulary"}

_VECTORS = "vectors"


@dataclass(frozen=True)
class FamilySize:
    """Bytes of some tensors.

    Attributes:
        name: which.
        weights: their elements.
        kept: those that are kept.
        stored: bytes of the compact file.
        dense: of fp32 arrays.
        csc: of compressed sparse columns, vectors dense.
        deflated: of the same, deflated; 0: not measured.
    """

    name: str
    weights: int
    kept: int
    stored: int
    dense: int
    csc: int
    deflated: int


def family_sizes(model: CompactModel, deflated: bool = False) -> list[FamilySize]:
    """Sizes by matrix family and stack, of all vectors together, and in total.

    Args:
        model: the model, from a compact file.
        deflated: whether to measure deflated CSC, which takes longer than everything else.
    """
    rows = [_size(name, names, model, deflated) for name, names in _families(model).items()]
    sums = zip(*((r.weights, r.kept, r.stored, r.dense, r.csc, r.deflated) for r in rows), strict=True)
    return [*rows, FamilySize("total", *map(sum, sums))]


def _families(model: CompactModel) -> dict[str, list[str]]:
    families: dict[str, list[str]] = {}
    for name, weight in model.weights.items():
        prunable = parse(name, weight.shape)
        stack = name.partition(".")[0]
        kind = f"{stack} {_FAMILIES[prunable.block]}" if prunable is not None else f"{stack} positions"
        families.setdefault(kind if len(weight.shape) == 2 else _VECTORS, []).append(name)
    return families


def _size(name: str, names: Iterable[str], model: CompactModel, deflated: bool) -> FamilySize:
    stored = [model.weights[tensor] for tensor in names]
    tensors = [decoded(tensor) for tensor in stored]
    together = [KeptValues.of(np.concatenate([one.dense() for one in tensors]))] if name == _VECTORS else stored
    sizes = [len(one.data) if isinstance(one, EncodedTensor) else len(encode(decoded(one))[1]) for one in together]
    weights = sum(prod(tensor.shape) for tensor in tensors)
    return FamilySize(
        name,
        weights,
        sum(tensor.kept for tensor in tensors),
        sum(sizes),
        4 * weights,
        sum(map(csc_bytes, tensors)),
        sum(map(deflated_csc_bytes, tensors)) if deflated else 0,
    )
