"""Encoder and step-by-step decoder in plain torch."""

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from nmt_prune.runtime.torch_engine.layers import Attention, FeedForward, Weights
from nmt_prune.storage.model.architecture import Stack
from nmt_prune.text.dictionaries import PAD

KeysAndValues = tuple[Tensor, Tensor]


class Embedding:
    """Token embeddings with what says where they are.

    Args:
        weights: the model's tensors.
        stack: the encoder or the decoder.
        name: which of them.
    """

    def __init__(self, weights: Weights, stack: Stack, name: str) -> None:
        self._stack = stack
        self._tokens = weights[f"{name}.embed_tokens.weight"]
        self._norm = weights.norm(f"{name}.layernorm_embedding") if stack.embedding_norm else None
        self._table = torch.empty(0, stack.dim)
        if stack.positions == "learned":
            self._table = weights[f"{name}.embed_positions.weight"][PAD + 1 :]

    def __call__(self, tokens: Tensor, first: int = 0) -> Tensor:
        """Embeds tokens.

        Args:
            tokens: batch × time.
            first: position of the first of them.

        Returns:
            Batch × time × dim.
        """
        x = functional.embedding(tokens, self._tokens) * self._stack.embedding_scale
        end = first + tokens.shape[1]
        if self._stack.positions == "sinusoidal" and end > len(self._table):
            self._table = sinusoids(2 * end, self._stack.dim)
        if self._stack.positions != "none":
            x = x + self._table[first:end]
        return x if self._norm is None else self._norm(x)


def sinusoids(length: int, dim: int) -> Tensor:
    """Position embeddings of fairseq's: all sines, then all cosines; counted from behind the row of the padding.

    Args:
        length: number of positions.
        dim: width.
    """
    half = dim // 2
    frequencies = torch.exp(torch.arange(half) * -(math.log(10000) / (half - 1)))
    angles = torch.arange(PAD + 1, PAD + 1 + length).float().unsqueeze(1) * frequencies
    return functional.pad(torch.cat([angles.sin(), angles.cos()], dim=1), (0, dim % 2))


class Encoder:
    """The encoder."""

    def __init__(self, weights: Weights, stack: Stack) -> None:
        self._embedding = Embedding(weights, stack, "encoder")
        self._layers = [
            (
                Attention(weights, stack, f"encoder.layers.{layer}.self_attn", heads),
                FeedForward(weights, stack, f"encoder.layers.{layer}", units),
            )
            for layer, (heads, units) in enumerate(zip(stack.heads, stack.ffn, strict=True))
        ]
        self._norm = weights.norm("encoder.layer_norm") if stack.final_norm else None

    def __call__(self, tokens: Tensor, visible: Tensor) -> Tensor:
        """Encodes a batch.

        Args:
            tokens: batch × time, padded behind.
            visible: batch × 1 × 1 × time; False at padding.

        Returns:
            Batch × time × dim.
        """
        x = self._embedding(tokens)
        for attention, feedforward in self._layers:
            x = _attend_to_itself(attention, x, visible)
            x = feedforward(x)
        return x if self._norm is None else self._norm(x)


def _attend_to_itself(attention: Attention, x: Tensor, visible: Tensor) -> Tensor:
    return attention.add(x, lambda hidden: attention.attend(hidden, *attention.keys_and_values(hidden), visible))


@dataclass
class DecoderState:
    """What the decoder keeps from step to step.

    Attributes:
        visible: sentences × 1 × 1 × source length; False at padding.
        source: keys and values of the cross-attention by layer, one row a sentence.
        history: keys and values of the self-attention by layer, one row a hypothesis.
        words: rows of the target dictionary that may be said; None: all.
        length: number of tokens that have been read.
        attention: if there is a list, each step puts its own of the last layer there, sentences × hypotheses × source
            length.
    """

    visible: Tensor
    source: dict[int, KeysAndValues]
    words: Tensor | None = None
    history: dict[int, KeysAndValues] = field(default_factory=dict)
    length: int = 0
    attention: list[Tensor] | None = None

    def keep(self, sentences: Tensor | None, hypotheses: Tensor) -> None:
        """Goes on with other rows.

        Args:
            sentences: which sentences, by index; None: all.
            hypotheses: which hypothesis each new one continues.
        """
        if sentences is not None:
            self.visible = self.visible[sentences]
            self.source = {layer: (keys[sentences], values[sentences]) for layer, (keys, values) in self.source.items()}
        self.history = {layer: (keys[hypotheses], values[hypotheses]) for layer, (keys, values) in self.history.items()}


class Decoder:
    """The decoder, a token at a time for several hypotheses of each sentence."""

    def __init__(self, weights: Weights, stack: Stack) -> None:
        self._embedding = Embedding(weights, stack, "decoder")
        self._layers = [
            (
                Attention(weights, stack, f"decoder.layers.{layer}.self_attn", heads),
                Attention(weights, stack, f"decoder.layers.{layer}.encoder_attn", cross_heads),
                FeedForward(weights, stack, f"decoder.layers.{layer}", units),
            )
            for layer, (heads, cross_heads, units) in enumerate(
                zip(stack.heads, stack.cross_heads, stack.ffn, strict=True)
            )
        ]
        self._norm = weights.norm("decoder.layer_norm") if stack.final_norm else None
        self._output = weights["decoder.output_projection.weight"]

    def start(self, encoded: Tensor, visible: Tensor, words: npt.NDArray[np.int32] | None = None) -> DecoderState:
        """The state in front of the first token.

        Args:
            encoded: the encoder's output, sentences × time × its dim.
            visible: what the encoder was given.
            words: rows of the target dictionary that may be said; None: all.
        """
        source = {
            layer: cross.keys_and_values(encoded) for layer, (_, cross, _) in enumerate(self._layers) if cross.exists
        }
        return DecoderState(visible, source, None if words is None else torch.from_numpy(words).long())

    def step(self, tokens: Tensor, state: DecoderState) -> Tensor:
        """Reads one more token of each hypothesis.

        Args:
            tokens: hypotheses, those of a sentence next to each other.
            state: is changed.

        Returns:
            Logits, hypotheses × target dictionary; minus infinity for what may not be said.
        """
        x = self._embedding(tokens.unsqueeze(1), state.length)
        for layer, (attention, cross, feedforward) in enumerate(self._layers):
            x = self._attend_to_history(layer, attention, x, state)
            x = self._attend_to_source(layer, cross, x, state)
            x = feedforward(x)
        state.length += 1
        x = x if self._norm is None else self._norm(x)
        if state.words is None:
            return functional.linear(x.squeeze(1), self._output)
        logits = x.new_full((len(x), len(self._output)), -math.inf)
        logits[:, state.words] = functional.linear(x.squeeze(1), self._output[state.words])
        return logits

    def _attend_to_history(self, layer: int, attention: Attention, x: Tensor, state: DecoderState) -> Tensor:
        def transform(hidden: Tensor) -> Tensor:
            keys, values = attention.keys_and_values(hidden)
            if layer in state.history:
                old_keys, old_values = state.history[layer]
                keys, values = torch.cat([old_keys, keys], dim=2), torch.cat([old_values, values], dim=2)
            state.history[layer] = keys, values
            return attention.attend(hidden, keys, values)

        return attention.add(x, transform)

    def _attend_to_source(self, layer: int, cross: Attention, x: Tensor, state: DecoderState) -> Tensor:
        # The hypotheses of a sentence look at the same source: they become positions of one query.
        x = x.view(len(state.visible), -1, x.shape[2])

        def transform(hidden: Tensor) -> Tensor:
            keys, values = state.source[layer]
            if state.attention is not None and layer == len(self._layers) - 1:
                state.attention.append(cross.weights(hidden, keys, state.visible))
            return cross.attend(hidden, keys, values, state.visible)

        return cross.add(x, transform).view(-1, 1, x.shape[2])
