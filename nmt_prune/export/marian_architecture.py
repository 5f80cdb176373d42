"""Which models Marian can compute, and what it calls their settings."""

from collections.abc import Mapping
from typing import Any

from nmt_prune.errors import PruneError
from nmt_prune.sinusoids import count_from_zero
from nmt_prune.storage.model.architecture import Stack
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.text.dictionaries import PAD

ACTIVATIONS = ("relu", "swish")
_UNITS = 64
"""Marian's int8 multiplies by so many columns at a time."""


def check(model: CompactModel) -> None:
    """Refuses what Marian would compute otherwise.

    Raises:
        PruneError: Marian has no such model; in one line, why.
    """
    encoder, decoder = model.architecture.encoder, model.architecture.decoder
    for what in ("dim", "head_dim", "activation", "embedding_scale"):
        ours, theirs = getattr(encoder, what), getattr(decoder, what)
        if ours != theirs:
            raise PruneError(
                f"Marian has one {what.replace('_', ' ')} for encoder and decoder; the model has {ours} and {theirs}"
            )
    for name, stack in (("encoder", encoder), ("decoder", decoder)):
        if reason := _reason(stack):
            raise PruneError(f"Marian has no {name} {reason}")
        _check_positions(model, name, stack)


def _reason(stack: Stack) -> str:
    most = max(*stack.heads, *stack.cross_heads, 0)
    if stack.dim % stack.head_dim or most * stack.head_dim > stack.dim:
        return f"whose heads do not divide its width: {most} heads of width {stack.head_dim} in {stack.dim}"
    if stack.activation not in ACTIVATIONS:
        return f"with the activation function {stack.activation}; it has {', '.join(ACTIVATIONS)}"
    if stack.embedding_norm:
        return "whose decoding starts behind a layer norm of embeddings; train it without --layernorm-embedding"
    if stack.pre_norm:
        return "of pre-norm layers as in fairseq: it normalises queries and not keys; train it without normalize-before"
    if stack.final_norm:
        return "of post-norm layers with another norm behind the last"
    return ""


def _check_positions(model: CompactModel, name: str, stack: Stack) -> None:
    if stack.positions == "learned":
        table = model.weights[f"{name}.embed_positions.weight"].dense()[PAD + 1 :]
        if count_from_zero(table):
            return
    kind = {"learned": "learned ones", "none": "none"}.get(stack.positions, "fairseq's, which count from 2")
    raise PruneError(
        f"Marian's positions are sinusoids from 0 on and those of the {name} are {kind}:"
        " train the model on with --marian-positions, then export it"
    )


def settings(model: CompactModel, symbols: list[int], tying: Mapping[str, bool]) -> dict[str, Any]:
    """The options of training that Marian keeps in a model, those that decide what is computed.

    Args:
        model: a model that passed :func:`check`.
        symbols: sizes of the vocabularies.
        tying: ``tied-embeddings`` and ``tied-embeddings-all``.
    """
    encoder, decoder = model.architecture.encoder, model.architecture.decoder
    return {
        "type": "transformer",
        "dim-emb": encoder.dim,
        "dim-vocabs": symbols,
        "enc-depth": len(encoder.ffn),
        "dec-depth": len(decoder.ffn),
        "transformer-heads": encoder.dim // encoder.head_dim,
        "transformer-dim-ffn": units(model),
        "transformer-ffn-depth": 2,
        "transformer-ffn-activation": encoder.activation,
        "transformer-preprocess": "",
        "transformer-postprocess": "dan",
        "transformer-postprocess-emb": "d",
        "transformer-postprocess-top": "",
        "transformer-decoder-autoreg": "self-attention",
        "transformer-guided-alignment-layer": "last",
        "transformer-no-projection": False,
        "transformer-tied-layers": [],
        "transformer-train-position-embeddings": False,
        **{"transformer-dim-aan": 2048, "transformer-aan-depth": 2, "transformer-aan-activation": "swish"},
        **{"transformer-aan-nogate": False, "transformer-pool": False, "transformer-depth-scaling": False},
        **tying,
        **{"tied-embeddings-src": False, "output-omit-bias": False, "layer-normalization": False, "right-left": False},
        **{"skip": False, "ulr": False, "ulr-dim-emb": 0, "ulr-trainable-transformation": False, "lemma-dim-emb": 0},
        **{"enc-cell": "gru", "enc-cell-depth": 1, "enc-type": "bidirectional", "dim-rnn": 1024, "input-types": []},
        **{"dec-cell": "gru", "dec-cell-base-depth": 2, "dec-cell-high-depth": 1},
        "max-length": min(encoder.max_positions, decoder.max_positions),
    }


def units(model: CompactModel) -> int:
    """Feed-forward units of every sublayer: Marian has one number for all."""
    most = max(*model.architecture.encoder.ffn, *model.architecture.decoder.ffn, 1)
    return -(-most // _UNITS) * _UNITS
