"""The layers of a Transformer in plain torch, over the weights of a compact model."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from nmt_prune.runtime.settings.search_limits import check_finite
from nmt_prune.storage.model.architecture import Stack
from nmt_prune.storage.model.compact_model import CompactModel

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "gelu": functional.gelu,
    "gelu_accurate": lambda x: functional.gelu(x, approximate="tanh"),
    "swish": functional.silu,
}


class Linear(NamedTuple):
    """A matrix of shape (outputs, inputs) and a bias."""

    weight: Tensor
    bias: Tensor | None

    def __call__(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight, self.bias)


class Norm(NamedTuple):
    """A layer norm."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, self.weight.shape, self.weight, self.bias)


class Weights:
    """The tensors of a model by their stock keys; one tensor for each storage.

    Args:
        model: the model.
    """

    def __init__(self, model: CompactModel) -> None:
        self._model = model
        self._decoded: dict[str, Tensor] = {}

    def __getitem__(self, key: str) -> Tensor:
        key = self._model.aliases.get(key, key)
        if key not in self._decoded:
            # A copy, since memory that is mapped from a file cannot be written, of which torch warns.
            decoded = torch.tensor(self._model.weights[key].dense())
            check_finite(key, bool(decoded.isfinite().all()))
            self._decoded[key] = decoded
        return self._decoded[key]

    def linear(self, key: str) -> Linear:
        """A matrix with its bias."""
        return Linear(self[f"{key}.weight"], self[f"{key}.bias"])

    def norm(self, key: str) -> Norm:
        """A layer norm."""
        return Norm(self[f"{key}.weight"], self[f"{key}.bias"])


class ResidualBlock:
    """What is computed beside the residual stream, with its layer norm.

    Args:
        weights: the model's tensors.
        stack: what it is a sublayer of.
        output: key of the output projection.
        norm: key of the layer norm.
        units: heads or feed-forward units; without any the output bias is all that is added.
    """

    def __init__(self, weights: Weights, stack: Stack, output: str, norm: str, units: int) -> None:
        self._pre_norm, self._units = stack.pre_norm, units
        # In a pre-norm model the norm of a sublayer that is gone has nothing to do.
        self._norm = weights.norm(norm) if units or not stack.pre_norm else None
        self._bias = weights[f"{output}.bias"]

    def add(self, x: Tensor, transform: Callable[[Tensor], Tensor]) -> Tensor:
        """The residual stream behind the sublayer.

        Args:
            x: the residual stream in front of it, batch × time × dim.
            transform: what is added, by its input; not called where the sublayer is gone.
        """
        if self._norm is None:
            return x + self._bias
        if self._pre_norm:
            return x + transform(self._norm(x))
        return self._norm(x + (transform(x) if self._units else self._bias))


class FeedForward(ResidualBlock):
    """Two projections with an activation between them."""

    def __init__(self, weights: Weights, stack: Stack, layer: str, units: int) -> None:
        super().__init__(weights, stack, f"{layer}.fc2", f"{layer}.final_layer_norm", units)
        self._activation = ACTIVATIONS[stack.activation]
        if units:
            self._up, self._down = weights.linear(f"{layer}.fc1"), weights.linear(f"{layer}.fc2")

    def __call__(self, x: Tensor) -> Tensor:
        """The residual stream behind it."""
        return self.add(x, lambda hidden: self._down(self._activation(self._up(hidden))))


class Attention(ResidualBlock):
    """Attention; what is seen, its caller decides."""

    def __init__(self, weights: Weights, stack: Stack, key: str, heads: int) -> None:
        super().__init__(weights, stack, f"{key}.out_proj", f"{key}_layer_norm", heads)
        if heads:
            self._query, self._key, self._value, self._output = (
                weights.linear(f"{key}.{name}_proj") for name in ("q", "k", "v", "out")
            )

    @property
    def exists(self) -> bool:
        """Whether it has heads."""
        return self._units > 0

    def keys_and_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of positions, each batch × heads × time × head dim."""
        return self._split(self._key(x)), self._split(self._value(x))

    def attend(self, x: Tensor, keys: Tensor, values: Tensor, visible: Tensor | None = None) -> Tensor:
        """What positions find.

        Args:
            x: the positions that look, batch × time × dim.
            keys: keys of the positions that are looked at.
            values: their values.
            visible: which of them can be seen, broadcastable to batch × heads × time × their time; all by default.
        """
        found = functional.scaled_dot_product_attention(self._split(self._query(x)), keys, values, attn_mask=visible)
        return self._output(found.transpose(1, 2).flatten(2))

    def weights(self, x: Tensor, keys: Tensor, visible: Tensor) -> Tensor:
        """How much of each position the positions that look take: batch × time × their time, averaged over heads."""
        query = self._split(self._query(x))
        scores = query @ keys.transpose(2, 3) / math.sqrt(query.shape[3])
        return scores.masked_fill(~visible, -math.inf).softmax(dim=3).mean(dim=1)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self._units, -1)).transpose(1, 2)
