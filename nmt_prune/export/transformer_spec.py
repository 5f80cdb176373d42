"""CTranslate2's specification of a Transformer, filled from a compact model without fairseq."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt_prune.errors import PruneError
from nmt_prune.runtime.torch_engine.model import sinusoids
from nmt_prune.storage.model.architecture import Stack
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.text.dictionaries import PAD

Array = npt.NDArray[np.float32]

_ACTIVATIONS = {"relu": "RELU", "gelu": "GELU", "gelu_accurate": "GELUTanh", "gelu_fast": "GELUTanh", "swish": "SWISH"}


def transformer_spec(model: CompactModel) -> Any:
    """Builds a ``ctranslate2.specs.TransformerSpec`` in fp32.

    CTranslate2 has one number of heads per stack: a layer with fewer gets heads of zeros, which add nothing. The number
    of feed-forward units may differ from layer to layer. A sublayer that is gone becomes a head, or a unit, of zeros
    and the output bias that is left of it.

    Raises:
        PruneError: CTranslate2 is not installed or cannot express the architecture, or a tensor is missing.
    """
    specs = _specs()
    architecture, tensors = model.architecture, _Tensors(model)
    encoder, decoder = architecture.encoder, architecture.decoder
    heads = {"encoder": _heads(encoder.heads), "decoder": _heads(decoder.heads, decoder.cross_heads)}
    spec = specs.TransformerSpec(
        specs.TransformerEncoderSpec(len(encoder.ffn), heads["encoder"], **_settings(encoder, "encoder")),
        specs.TransformerDecoderSpec(
            len(decoder.ffn),
            heads["decoder"],
            # Of the last layer's heads, those that exist come first; attention weights are averaged over these.
            alignment_heads=_heads(decoder.cross_heads[-1:]),
            **_settings(decoder, "decoder"),
        ),
    )
    for name, stack, part in (("encoder", encoder, spec.encoder), ("decoder", decoder, spec.decoder)):
        _fill_stack(part, name, stack, heads[name], encoder.dim, tensors)
    spec.decoder.projection.weight = tensors["decoder.output_projection.weight"]
    spec.register_source_vocabulary(_vocabulary(model.source))
    spec.register_target_vocabulary(_vocabulary(model.target))
    spec.config.decoder_start_token = spec.config.eos_token
    spec.config.add_source_eos = True
    return spec


class _Tensors:
    """The model's tensors by any of their keys; tied ones are one array, which CTranslate2 then stores once."""

    def __init__(self, model: CompactModel) -> None:
        self._model = model
        self._embeddings: dict[str, Array] = {}

    def __getitem__(self, key: str) -> Array:
        key = self._model.aliases.get(key, key)
        if key in self._embeddings:
            return self._embeddings[key]
        if key not in self._model.weights:
            raise PruneError(f"the model has no {key}; export a checkpoint that fairseq-train or this toolkit wrote")
        tensor = self._model.weights[key].dense().copy()  # CTranslate2 quantizes in place
        if key in self._model.aliases.values():
            self._embeddings[key] = tensor
        return tensor

    def padded(self, key: str, units: int, *shape: int) -> Array:
        """A tensor with zeros behind its rows and columns; only zeros if its sublayer has no units."""
        if not units:
            return np.zeros(shape, np.float32)
        tensor = self[key]
        return np.pad(tensor, [(0, wanted - size) for size, wanted in zip(tensor.shape, shape, strict=True)])


def _specs() -> Any:
    try:
        from ctranslate2 import specs
    except ImportError:
        raise PruneError("CTranslate2 is not installed here; pip install 'nmt-prune[export]'") from None
    return specs


def _heads(*counts: Sequence[int]) -> int:
    return max(1, *(count for counts_of_kind in counts for count in counts_of_kind))


def _settings(stack: Stack, name: str) -> dict[str, Any]:
    from ctranslate2.specs import common_spec

    if stack.activation not in _ACTIVATIONS:
        known = ", ".join(_ACTIVATIONS)
        raise PruneError(f"CTranslate2 has no activation function {stack.activation} for the {name}; it has {known}")
    if stack.final_norm and not stack.pre_norm:
        raise PruneError(f"CTranslate2 has no layer norm behind the last layer of a post-norm {name}")
    return {
        "pre_norm": stack.pre_norm,
        "no_final_norm": not stack.final_norm,
        "activation": common_spec.Activation[_ACTIVATIONS[stack.activation]],
        "layernorm_embedding": stack.embedding_norm,
        # Otherwise it would be the model's dimension by the number of heads that are left.
        "head_dim": stack.head_dim,
    }


def _fill_stack(part: Any, name: str, stack: Stack, heads: int, memory: int, tensors: _Tensors) -> None:
    embeddings = part.embeddings[0] if isinstance(part.embeddings, list) else part.embeddings
    embeddings.weight = tensors[f"{name}.embed_tokens.weight"]
    part.scale_embeddings = float(stack.embedding_scale)
    part.position_encodings.encodings = _positions(name, stack, tensors)
    if stack.embedding_norm:
        _fill_norm(part.layernorm_embedding, f"{name}.layernorm_embedding", 1, stack.dim, tensors)
    if stack.final_norm:
        _fill_norm(part.layer_norm, f"{name}.layer_norm", 1, stack.dim, tensors)
    for number, layer in enumerate(part.layer):
        prefix = f"{name}.layers.{number}."
        own = stack.heads[number]
        _fill_attention(layer.self_attention, f"{prefix}self_attn", stack, own, heads, stack.dim, tensors)
        if stack.cross_heads:
            own = stack.cross_heads[number]
            _fill_attention(layer.attention, f"{prefix}encoder_attn", stack, own, heads, memory, tensors)
        _fill_feedforward(layer.ffn, prefix, stack, stack.ffn[number], tensors)


def _positions(name: str, stack: Stack, tensors: _Tensors) -> Array:
    if stack.positions == "learned":
        return tensors[f"{name}.embed_positions.weight"][PAD + 1 :]
    if stack.positions == "none":  # without a table CTranslate2 would take its own sinusoids
        return np.zeros((stack.max_positions, stack.dim), np.float32)
    return sinusoids(stack.max_positions, stack.dim).numpy()


def _fill_attention(part: Any, key: str, stack: Stack, own: int, heads: int, memory: int, tensors: _Tensors) -> None:
    """Queries, keys and values in one matrix (self-attention), or keys and values in one.

    Args:
        part: the specification of the attention.
        key: its prefix in the state dict.
        stack: the stack.
        own: number of heads that the layer has.
        heads: number that all layers of the stack get.
        memory: width of what keys and values are projected from.
        tensors: the weights.
    """
    width = heads * stack.head_dim
    part.queries_scale = np.float32(stack.head_dim**-0.5)
    _fill_norm(part.layer_norm, f"{key}_layer_norm", own or not stack.pre_norm, stack.dim, tensors)
    is_self = len(part.linear) == 2
    for linear, letters in zip(part.linear, ("qkv",) if is_self else ("q", "kv"), strict=False):
        inputs = stack.dim if is_self or letters == "q" else memory
        linear.weight = np.concatenate([tensors.padded(f"{key}.{x}_proj.weight", own, width, inputs) for x in letters])
        linear.bias = np.concatenate([tensors.padded(f"{key}.{x}_proj.bias", own, width) for x in letters])
    part.linear[-1].weight = tensors.padded(f"{key}.out_proj.weight", own, stack.dim, width)
    part.linear[-1].bias = tensors[f"{key}.out_proj.bias"]


def _fill_feedforward(part: Any, prefix: str, stack: Stack, units: int, tensors: _Tensors) -> None:
    _fill_norm(part.layer_norm, f"{prefix}final_layer_norm", units or not stack.pre_norm, stack.dim, tensors)
    width = units or 1
    part.linear_0.weight = tensors.padded(f"{prefix}fc1.weight", units, width, stack.dim)
    part.linear_0.bias = tensors.padded(f"{prefix}fc1.bias", units, width)
    part.linear_1.weight = tensors.padded(f"{prefix}fc2.weight", units, stack.dim, width)
    part.linear_1.bias = tensors[f"{prefix}fc2.bias"]


def _fill_norm(part: Any, key: str, exists: int, dim: int, tensors: _Tensors) -> None:
    """A layer norm in front of a sublayer that is gone is gone with it."""
    part.gamma = tensors.padded(f"{key}.weight", exists, dim)
    part.beta = tensors.padded(f"{key}.bias", exists, dim)


def _vocabulary(symbols: Sequence[str]) -> list[str]:
    return ["<blank>" if symbol == "<pad>" else symbol for symbol in symbols]
