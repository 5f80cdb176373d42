"""The masks of a model."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.prunable import Prunable


class MaskSet:
    """One boolean mask per prunable matrix; True means that the weight exists.

    The padding row of an embedding always exists and counts nowhere.

    Args:
        masks: a boolean tensor of the matrix's shape for each prunable matrix.

    Raises:
        PruneError: a mask has another shape than its matrix or is not boolean.
    """

    def __init__(self, masks: Mapping[Prunable, Tensor]) -> None:
        self._masks: dict[str, Tensor] = {}
        self.prunables = tuple(masks)
        for prunable, mask in masks.items():
            if mask.dtype != torch.bool or tuple(mask.shape) != prunable.shape:
                found = f"{mask.dtype} {tuple(mask.shape)}"
                raise PruneError(f"the mask of {prunable.name} is {found}; the matrix needs bool {prunable.shape}")
            if prunable.padding_row is not None and not mask[prunable.padding_row].all():
                mask = mask.clone()
                mask[prunable.padding_row] = True
            self._masks[prunable.name] = mask

    @classmethod
    def dense(cls, prunables: Iterable[Prunable]) -> "MaskSet":
        """Masks under which every weight exists."""
        return cls({prunable: torch.ones(prunable.shape, dtype=torch.bool) for prunable in prunables})

    def __getitem__(self, name: str) -> Tensor:
        return self._masks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._masks)

    def __len__(self) -> int:
        return len(self._masks)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MaskSet) or self._masks.keys() != other._masks.keys():
            return NotImplemented if not isinstance(other, MaskSet) else False
        return all(torch.equal(mask, other[name]) for name, mask in self._masks.items())

    __hash__ = None  # type: ignore[assignment]

    def candidates(self, prunable: Prunable) -> Tensor:
        """The weights of a matrix that exist and may be pruned, i.e. without the padding row."""
        if prunable.padding_row is None:
            return self._masks[prunable.name]
        mask = self._masks[prunable.name].clone()
        mask[prunable.padding_row] = False
        return mask

    def kept(self, prunable: Prunable) -> int:
        """Number of weights of a matrix that exist, not counting the padding row."""
        padding = 0 if prunable.padding_row is None else prunable.shape[1]
        return int(torch.count_nonzero(self._masks[prunable.name])) - padding

    def sparsity(self, prunables: Iterable[Prunable] | None = None) -> float:
        """Share of weights that do not exist, over all matrices of the set or the given ones."""
        chosen = tuple(self.prunables if prunables is None else prunables)
        size = sum(prunable.size for prunable in chosen)
        return 1 - sum(self.kept(prunable) for prunable in chosen) / size if size else 0.0

    def digest(self) -> str:
        """SHA-256 over names, shapes and bits; equal digests mean equal masks."""
        sha = hashlib.sha256()
        for prunable in sorted(self.prunables, key=lambda prunable: prunable.name):
            sha.update(f"{prunable.name} {prunable.shape}\n".encode())
            sha.update(np.packbits(self._masks[prunable.name].cpu().numpy()).tobytes())
        return sha.hexdigest()

    def check_matches(self, other: Iterable[Prunable], source: str) -> None:
        """Checks that the set has exactly the given matrices.

        Args:
            other: the matrices of the model that the masks are meant for.
            source: what the masks came from, for the message.

        Raises:
            PruneError: a matrix is missing, is unknown or has another shape.
        """
        mine = {prunable.name: prunable.shape for prunable in self.prunables}
        theirs = {prunable.name: prunable.shape for prunable in other}
        for name in sorted(mine.keys() | theirs.keys()):
            if mine.get(name) != theirs.get(name):
                found, needed = mine.get(name, "missing"), theirs.get(name, "missing")
                raise PruneError(
                    f"{source}: {name} is {found} there and {needed} in the model; masks fit only the architecture"
                    " (and the tying of embeddings) that they were computed on"
                )


def overlay(masks: MaskSet, chosen: MaskSet) -> MaskSet:
    """The masks, those of ``chosen`` in place of theirs."""
    names = set(chosen)
    return MaskSet(
        {
            prunable: chosen[prunable.name] if prunable.name in names else masks[prunable.name]
            for prunable in masks.prunables
        }
    )
