"""Weights of a compact model as Marian's parameters.

Marian starts a translation with a vector of zeros where fairseq embeds the end of sentence, v. So v is taken from each
word's embedding and given back to all positions by the biases of the first self-attention. An output projection that
is tied gives each word the same amount less, which softmax does not see.
"""

import math

import numpy as np
import numpy.typing as npt

from nmt_prune.errors import PruneError
from nmt_prune.export.marian_architecture import units
from nmt_prune.export.marian_vocabulary import Vocabulary
from nmt_prune.storage.model.architecture import Stack
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.text.dictionaries import EOS

Array = npt.NDArray[np.float32]
Parameters = dict[str, Array]

_NEVER = -1e4
"""What makes a word impossible."""


def parameters(model: CompactModel, words: Vocabulary) -> tuple[Parameters, dict[str, bool]]:
    """All parameters, and whether embeddings are tied, in Marian's words.

    Args:
        model: a model that Marian can compute.
        words: the order of its words.

    Raises:
        PruneError: a tensor is missing.
    """
    encoder, decoder = model.architecture.encoder, model.architecture.decoder
    factor = encoder.embedding_scale / math.sqrt(encoder.dim)  # Marian's is √dim
    tables = {name: _tensor(model, f"{name}.embed_tokens.weight") * factor for name in ("encoder", "decoder")}
    start = tables["decoder"][EOS]
    output = model.aliases.get("decoder.output_projection.weight")
    is_tied = output is not None and output == _home(model, "decoder.embed_tokens.weight")
    is_shared = is_tied and output == _home(model, "encoder.embed_tokens.weight") and words.source == words.target
    found: Parameters = {}
    if is_shared:
        found["Wemb"] = (tables["decoder"] - start)[words.target]
    else:
        found["encoder_Wemb"] = tables["encoder"][words.source]
        found["decoder_Wemb"] = (tables["decoder"] - start)[words.target]
    if not is_tied:
        found["decoder_ff_logit_out_Wt"] = _tensor(model, "decoder.output_projection.weight")[words.target]
    bias = np.zeros((1, len(words.target)), np.float32)
    bias[0, words.never] = _NEVER
    found["decoder_ff_logit_out_b"] = bias
    constant = start * math.sqrt(encoder.dim)
    for name, stack in (("encoder", encoder), ("decoder", decoder)):
        found |= _stack(model, name, stack)
        if is_shared or name == "decoder":
            found |= _with_constant(found, f"{name}_l1_self", constant)
    if is_tied:
        for part in ("scale", "bias"):
            found[f"decoder_l{len(decoder.ffn)}_ffn_ffn_ln_{part}"] /= factor
    tying = {"tied-embeddings": is_tied and not is_shared, "tied-embeddings-all": is_shared}
    return {name: np.ascontiguousarray(value, np.float32) for name, value in found.items()}, tying


def _home(model: CompactModel, key: str) -> str:
    return model.aliases.get(key, key)


def _tensor(model: CompactModel, key: str) -> Array:
    home = _home(model, key)
    if home not in model.weights:
        raise PruneError(f"the model has no {key}; export a checkpoint that fairseq-train or this toolkit wrote")
    return model.weights[home].dense()


def _stack(model: CompactModel, name: str, stack: Stack) -> Parameters:
    found: Parameters = {}
    for layer, feedforward in enumerate(stack.ffn):
        theirs, ours = f"{name}_l{layer + 1}", f"{name}.layers.{layer}"
        found |= _attention(model, f"{ours}.self_attn", f"{theirs}_self", stack, stack.heads[layer])
        if stack.cross_heads:
            found |= _attention(model, f"{ours}.encoder_attn", f"{theirs}_context", stack, stack.cross_heads[layer])
        found |= _feedforward(model, ours, f"{theirs}_ffn", stack, feedforward)
    return found


def _attention(model: CompactModel, ours: str, theirs: str, stack: Stack, heads: int) -> Parameters:
    """Queries, keys and values of all heads; those that are gone are zeros, which add nothing."""
    found, dim = {}, stack.dim
    for letter in "qkv":
        found[f"{theirs}_W{letter}"] = _padded(model, f"{ours}.{letter}_proj.weight", heads, dim, dim).T
        found[f"{theirs}_b{letter}"] = _padded(model, f"{ours}.{letter}_proj.bias", heads, dim)[np.newaxis]
    found[f"{theirs}_Wo"] = _padded(model, f"{ours}.out_proj.weight", heads, dim, dim).T
    found[f"{theirs}_bo"] = _tensor(model, f"{ours}.out_proj.bias")[np.newaxis]
    if not heads:
        _fill_empty(found, *(f"{theirs}_W{letter}" for letter in "qkvo"))
    return found | _norm(model, f"{ours}_layer_norm", f"{theirs}_Wo")


def _feedforward(model: CompactModel, ours: str, theirs: str, stack: Stack, own: int) -> Parameters:
    width = units(model)
    found = {
        f"{theirs}_W1": _padded(model, f"{ours}.fc1.weight", own, width, stack.dim).T,
        f"{theirs}_b1": _padded(model, f"{ours}.fc1.bias", own, width)[np.newaxis],
        f"{theirs}_W2": _padded(model, f"{ours}.fc2.weight", own, stack.dim, width).T,
        f"{theirs}_b2": _tensor(model, f"{ours}.fc2.bias")[np.newaxis],
    }
    if not own:
        _fill_empty(found, f"{theirs}_W1", f"{theirs}_W2")
    return found | _norm(model, f"{ours}.final_layer_norm", f"{theirs}_ffn")


def _padded(model: CompactModel, key: str, exists: int, *shape: int) -> Array:
    if not exists:
        return np.zeros(shape, np.float32)
    tensor = _tensor(model, key)
    return np.pad(tensor, [(0, wanted - size) for size, wanted in zip(tensor.shape, shape, strict=True)])


def _fill_empty(found: Parameters, *names: str) -> None:
    """Gives matrices of zeros, which have no scale in int8, one weight each; the last reads another unit than these."""
    for name in names:
        found[name] = found[name].copy()
        found[name][int(name == names[-1]), 0] = 1


def _norm(model: CompactModel, ours: str, theirs: str) -> Parameters:
    parts = {"scale": "weight", "bias": "bias"}
    return {f"{theirs}_ln_{part}": _tensor(model, f"{ours}.{key}")[np.newaxis].copy() for part, key in parts.items()}


def _with_constant(found: Parameters, prefix: str, constant: Array) -> Parameters:
    """A self-attention whose inputs all lack the same vector."""
    shifted = {f"{prefix}_b{x}": found[f"{prefix}_b{x}"] + constant @ found[f"{prefix}_W{x}"] for x in "qkv"}
    return shifted | {f"{prefix}_bo": found[f"{prefix}_bo"] + constant}
