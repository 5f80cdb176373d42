"""What a quantized checkpoint holds beside its weights, and what a model makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nmt_prune.checkpoints import QUANTIZATION_MODULE
from nmt_prune.pruning.quantization import FULL
from nmt_prune.pruning.quantization.activations import Activations


@dataclass(frozen=True)
class Facts:
    """How a checkpoint is quantized.

    Attributes:
        bits: bits of a code, by the name of the matrix.
        scales: its scales in fp32, (rows, 1) or (1, 1): weight / scale is a whole number.
        activation_bits: bits of activations; 32: they are not quantized.
        ranges: minimum and maximum of the input of a linear layer, by its name.
    """

    bits: Mapping[str, int]
    scales: Mapping[str, Tensor]
    activation_bits: int = FULL
    ranges: Mapping[str, Tensor] | None = None

    def entries(self) -> dict[str, Tensor]:
        """Entries of a state dict, beside the weights."""
        entries = {f"{name}.bits": torch.tensor(bits) for name, bits in self.bits.items()}
        entries |= {f"{name}.scale": scale for name, scale in self.scales.items()}
        entries |= {f"{name}.range": range_ for name, range_ in (self.ranges or {}).items()}
        entries["activation_bits"] = torch.tensor(self.activation_bits)
        return {f"{QUANTIZATION_MODULE}.{key}": value for key, value in entries.items()}

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> "Facts | None":
        """Reads the entries of a state dict; None if there are none."""
        prefix = f"{QUANTIZATION_MODULE}."
        found: dict[str, dict[str, Tensor]] = {"bits": {}, "scale": {}, "range": {}, "activation_bits": {}}
        for key, value in state.items():
            if key.startswith(prefix):
                name, _, kind = key.removeprefix(prefix).rpartition(".")
                found[kind][name] = value
        if not found["activation_bits"]:
            return None
        bits = {name: int(value) for name, value in found["bits"].items()}
        return cls(bits, found["scale"], int(found["activation_bits"][""]), found["range"])


class Quantized(nn.Module):
    """The facts of a quantized model, as a submodule whose state-dict keys stand beside the unchanged weight keys.

    The weights of such a checkpoint lie on their grids already; this quantizes activations as it says. A model that is
    trained on leaves the grids, and the facts are forgotten.

    Args:
        model: the model.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        # A list hides the model from nn.Module, of which this is a part.
        self._model = [model]
        self._entries: dict[str, Tensor] = {}
        self._activations: Activations | None = None

    def clear(self) -> None:
        """Forgets the facts; weights stay as they are."""
        self._entries = {}
        if self._activations is not None:
            self._activations.quantizes = False

    def train(self, mode: bool = True) -> "Quantized":
        if mode:
            self.clear()
        return super().train(mode)

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        for name, value in self._entries.items():
            destination[prefix + name] = value

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
        loaded = {key.removeprefix(prefix): value for key, value in state_dict.items() if key.startswith(prefix)}
        facts = Facts.of({f"{QUANTIZATION_MODULE}.{name}": value for name, value in loaded.items()})
        if facts is None:
            return
        self.clear()
        self._entries = {name: value.clone() for name, value in loaded.items()}
        if facts.activation_bits < FULL and facts.ranges:
            names = [f"{name}.weight" for name in facts.ranges]
            self._activations = Activations(self._model[0], names, facts.activation_bits)
            # One update is enough for a range to be known.
            known = {name: torch.cat([range_.float(), torch.ones(1)]) for name, range_ in facts.ranges.items()}
            self._activations.load(known)
            self._activations.quantizes = True
