"""Mask files: a safetensors file of bit-packed masks under canonical names, with their provenance.

Each matrix is a uint8 tensor of ceil(rows · columns / 8) bytes, row-major, the first weight in the highest bit of the
first byte. The metadata has one key, ``nmt_prune``, a JSON object with ``format`` (1), ``matrices`` (name to shape,
aliases and padding row), ``digest`` (of the masks; files of earlier versions have none) and ``provenance`` (free-form).
Equal masks and provenance give equal bytes.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.files import atomic_path
from nmt_prune.kinds import MASK_FILE, MASKS, refuse_other_kinds
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import PADDING_INDEX, Prunable, parse

SUFFIX = ".safetensors"
_FORMAT = 1


def save_masks(masks: MaskSet, path: Path | str, provenance: Mapping[str, Any]) -> None:
    """Writes a mask file atomically.

    Args:
        masks: the masks.
        path: where to; by convention ``*.safetensors``.
        provenance: where the masks come from, as JSON values; the exact counts are added.
    """
    counts = {prunable.name: [masks.kept(prunable), prunable.size] for prunable in masks.prunables}
    header = {
        "format": _FORMAT,
        "matrices": {
            prunable.name: {
                "shape": list(prunable.shape),
                "aliases": list(prunable.aliases),
                "padding_row": prunable.padding_row,
            }
            for prunable in masks.prunables
        },
        "digest": masks.digest(),
        "provenance": {**provenance, "kept_of": counts, "sparsity_reached": masks.sparsity()},
    }
    tensors = {name: np.packbits(masks[name].cpu().numpy()) for name in masks}
    # One metadata key only: safetensors writes several in no fixed order.
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors, metadata={MASKS: json.dumps(header)}))


def load_masks(path: Path | str) -> tuple[MaskSet, dict[str, Any]]:
    """Reads a mask file.

    Returns:
        The masks and their provenance.

    Raises:
        PruneError: the file is missing, is no mask file or contradicts itself.
    """
    path = Path(path)
    if not path.exists():
        raise PruneError(f"mask file {path} does not exist")
    refuse_other_kinds(path, MASK_FILE, "*.safetensors is for mask files, which nmt-prune mask writes")
    try:
        with safe_open(path, framework="np") as file:
            header = json.loads((file.metadata() or {}).get(MASKS, "null"))
            packed = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, ValueError) as error:
        raise PruneError(f"{path} is not a mask file ({error}); write one with nmt-prune mask") from None
    if not isinstance(header, dict) or not isinstance(header.get("matrices"), dict):
        raise PruneError(f"{path} is a safetensors file without masks; write one with nmt-prune mask")
    if header.get("format") != _FORMAT:
        raise PruneError(
            f"{path} has mask format {header.get('format')}, this version reads {_FORMAT}; update nmt-prune"
        )
    masks = {}
    for name, facts in header["matrices"].items():
        try:
            prunable, mask = _unpack(name, facts, packed.pop(name))
        except (KeyError, TypeError, ValueError):
            raise PruneError(
                f"{path}: the mask of {name} is missing or of the wrong size; the file is damaged"
            ) from None
        masks[prunable] = mask
    if packed:
        raise PruneError(f"{path}: unknown tensor {next(iter(packed))}; the file is damaged")
    found = MaskSet(masks)
    if header.get("digest", found.digest()) != found.digest():
        raise PruneError(f"{path} is damaged: its digest is not that of its masks; copy or make the file again")
    return found, header.get("provenance", {})


def _unpack(name: str, facts: Mapping[str, Any], bits: np.ndarray) -> tuple[Prunable, Tensor]:
    prunable, size = parse(name, facts["shape"]), prod(facts["shape"])
    if prunable is None or bits.dtype != np.uint8 or bits.shape != (ceil(size / 8),):
        raise ValueError
    prunable = replace(prunable, aliases=tuple(facts["aliases"]), padding_row=facts["padding_row"])
    if prunable.padding_row not in (None, PADDING_INDEX):
        raise ValueError
    mask = np.unpackbits(bits, count=size).reshape(prunable.shape).astype(bool)
    return prunable, torch.from_numpy(mask)
