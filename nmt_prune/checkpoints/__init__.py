"""fairseq checkpoints as files: safe loading, the masks in them, atomic saving."""

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nmt_prune.checkpoints.old_names import upgraded
from nmt_prune.checkpoints.safe_types import reading
from nmt_prune.errors import PruneError
from nmt_prune.files import atomic_path, file_digest
from nmt_prune.kinds import CHECKPOINT, refuse_other_kinds
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable, prunable_matrices

MASK_MODULE = "mask_version_1"
"""Attribute of a masked model that holds its masks, and so the first part of their state-dict keys."""

QUANTIZATION_MODULE = "quantization_version_1"
"""Attribute of a masked model that says how it is quantized; fairseq's EMA leaves keys with "version" alone."""

_GIVE = "give a file that fairseq-train wrote"

_USUAL = ("checkpoint_best.pt", "checkpoint_last.pt")

FIRST_EPOCH: Mapping[str, Any] = {"version": 2, "epoch": 1, "iterations_in_epoch": 0, "shuffle": True}
"""The state of fairseq's data iterator before a training's first batch."""


@dataclass(frozen=True)
class Checkpoint:
    """A fairseq checkpoint that has been read.

    Attributes:
        path: where it came from.
        state: what fairseq stored.
    """

    path: Path
    state: dict[str, Any]

    @classmethod
    def load(cls, path: Path | str) -> "Checkpoint":
        """Reads a checkpoint to the CPU without running any code from it.

        Raises:
            PruneError: the file is missing, truncated or not a fairseq checkpoint.
        """
        path = Path(path)
        try:
            with reading():
                state = torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            raise PruneError(f"checkpoint {path} does not exist") from None
        except IsADirectoryError:
            found = next((path / name for name in _USUAL if (path / name).exists()), None)
            hint = f"did you mean {found}?" if found else "give the file of a checkpoint, *.pt"
            raise PruneError(f"{path} is a folder; {hint}") from None
        except Exception as error:  # damaged bytes make the unpickler fail with almost any type
            foreign = re.search(r"GLOBAL (\S+)", str(error))
            refuse_other_kinds(path, CHECKPOINT, _GIVE)
            if foreign:
                reason = f"it holds objects of type {foreign[1]}; save its 'model' and 'cfg' (or 'args') alone"
            else:
                reason = f"it is truncated or of another kind; {_GIVE}"
            raise PruneError(f"{path} cannot be read as a checkpoint: {reason}") from None
        model = state.get("model") if isinstance(state, dict) else None
        if not isinstance(model, Mapping) or not all(isinstance(value, Tensor) for value in model.values()):
            refuse_other_kinds(path, CHECKPOINT, _GIVE)
            raise PruneError(f"{path} is not a fairseq checkpoint: it has no state dict under 'model'")
        checkpoint = cls(path, {**state, "model": upgraded(model)})
        checkpoint.check_masks()
        return checkpoint

    def check_masks(self) -> None:
        """Checks that every weight that a mask removes is zero: whoever reads a checkpoint can rely on it.

        Raises:
            PruneError: one is not; the message names its matrix.
        """
        if not self.has_masks:
            return
        for prunable, weight in self.matrices.items():
            revived = int(((weight != 0) & ~self.masks[prunable.name]).sum())
            if revived:
                raise PruneError(
                    f"{self.path}: {revived} weights of {prunable.name} that its mask removes are not zero; was it"
                    " trained or averaged by a program that does not hold masks? Give one that this toolkit wrote"
                )

    @property
    def model(self) -> dict[str, Tensor]:
        """The state dict without masks and without what is said about quantization."""
        beside = (f"{MASK_MODULE}.", f"{QUANTIZATION_MODULE}.")
        return {key: value for key, value in self.state["model"].items() if not key.startswith(beside)}

    @cached_property
    def matrices(self) -> dict[Prunable, Tensor]:
        """The prunable matrices."""
        try:
            return prunable_matrices(self.model)
        except PruneError as error:
            raise PruneError(f"{self.path}: {error}") from None

    @cached_property
    def has_masks(self) -> bool:
        """Whether the checkpoint was written by a masked model that had been pruned."""
        return any(key.startswith(f"{MASK_MODULE}.") for key in self.state["model"])

    @cached_property
    def masks(self) -> MaskSet:
        """The masks stored in the checkpoint; all ones where there is none."""
        stored = self.state["model"]
        masks = {
            prunable: stored[key].bool()
            if (key := f"{MASK_MODULE}.{prunable.name}") in stored
            else torch.ones(prunable.shape, dtype=torch.bool)
            for prunable in self.matrices
        }
        try:
            return MaskSet(masks)
        except PruneError as error:
            raise PruneError(f"{self.path}: {error}") from None

    @cached_property
    def model_settings(self) -> dict[str, Any]:
        """The model's configuration; empty where the checkpoint has none."""
        args = self.state.get("args")
        model = args if args is not None else (self.state.get("cfg") or {}).get("model") or {}
        return vars(model) if isinstance(model, argparse.Namespace) else dict(model)

    @property
    def heads(self) -> dict[str, int]:
        """Number of attention heads by stack, as far as the configuration says."""
        found = {stack: self.model_settings.get(f"{stack}_attention_heads") for stack in ("encoder", "decoder")}
        return {stack: int(count) for stack, count in found.items() if count is not None}

    @property
    def head_dim(self) -> dict[str, int]:
        """Width of an attention head by stack, as far as the configuration says."""
        widths = {stack: self.model_settings.get(f"{stack}_embed_dim") for stack in self.heads}
        return {stack: int(width) // self.heads[stack] for stack, width in widths.items() if width is not None}

    @property
    def history(self) -> dict[str, Any]:
        """What fairseq noted of the last optimizer; empty in checkpoints that say nothing of one."""
        return dict((self.state.get("optimizer_history") or [{}])[-1])

    @property
    def num_updates(self) -> int:
        """Number of updates of the training that wrote the checkpoint."""
        return int(self.history.get("num_updates", 0))

    @property
    def has_optimizer(self) -> bool:
        """Whether there is an optimizer state, without which (``--no-save-optimizer-state``) no training goes on."""
        return self.state.get("last_optimizer_state") is not None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return file_digest(self.path)


def save(state: Mapping[str, Any], path: Path | str) -> None:
    """Writes a checkpoint beside ``path`` and renames it into place.

    Raises:
        PruneError: it cannot be written, e.g. because the disk is full; an existing file is untouched.
    """
    path = Path(path)
    with atomic_path(path) as temporary:
        try:
            # Given a path, torch would store the temporary's name, so that equal states had different bytes.
            with temporary.open("wb") as file:
                torch.save(dict(state), file)
        except RuntimeError as error:  # what torch's zip writer makes of a failed write
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise PruneError(f"cannot write {path}: {str(error).splitlines()[0]}; is the disk full?") from None
