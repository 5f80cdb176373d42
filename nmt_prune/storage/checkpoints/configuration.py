"""From a checkpoint's configuration to an architecture that can be stored and run."""

import math
from collections.abc import Mapping
from typing import Any

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.checkpoints.widths import flag
from nmt_prune.errors import PruneError
from nmt_prune.masks.prunable import PADDING_INDEX
from nmt_prune.storage.model.architecture import ACTIVATIONS, Architecture, Stack

DEFAULT_MAX_POSITIONS = 1024  # fairseq's own

# Parts that fairseq can add to a Transformer and that no engine here computes.
_UNSUPPORTED = (
    "adaptive_input",
    "adaptive_softmax_cutoff",
    "base_layers",
    "char_inputs",
    "cross_self_attention",
    "decoder_layers_to_keep",
    "decoder_xformers_att_config",
    "encoder_layers_to_keep",
    "encoder_xformers_att_config",
    "full_context_alignment",
    "merge_src_tgt_embed",
    "no_cross_attention",
    "quant_noise_pq",
    "quant_noise_scalar",
)


def architecture_of(checkpoint: Checkpoint) -> Architecture:
    """Reads an architecture off the configuration and the shapes of the weights.

    A model that was trained with LayerDrop is an ordinary one: all its layers run.

    Raises:
        PruneError: the model has parts that cannot be stored, or its configuration or weights are incomplete.
    """
    settings = checkpoint.model_settings
    for name in _UNSUPPORTED:
        if settings.get(name):
            raise PruneError(f"{checkpoint.path} was trained with {flag(name)}, which a compact model cannot have")
    for name in ("decoder_input_dim", "decoder_output_dim"):
        # As text where it was given by its flag, which fairseq does not read as a number.
        if str(settings.get(name)) not in ("None", str(settings.get("decoder_embed_dim"))):
            raise PruneError(
                f"{checkpoint.path} was trained with a {flag(name)} other than its --decoder-embed-dim, which a"
                " compact model cannot have"
            )
    return Architecture(_stack(checkpoint, settings, "encoder"), _stack(checkpoint, settings, "decoder"))


def _stack(checkpoint: Checkpoint, settings: Mapping[str, Any], name: str) -> Stack:
    weights = checkpoint.model
    shapes = {key: tuple(tensor.shape) for key, tensor in weights.items()}
    layers = sum(key.startswith(f"{name}.layers.") and key.endswith(".fc2.bias") for key in shapes)
    heads, embedding = checkpoint.heads.get(name, 0), shapes.get(f"{name}.embed_tokens.weight", ())
    if not layers or heads < 1 or len(embedding) != 2:
        raise PruneError(
            f"{checkpoint.path} has no {name} layers or no {name} embedding, or its configuration no"
            f" {name}_attention_heads; give a checkpoint of an encoder-decoder Transformer that fairseq-train wrote"
        )
    dim = embedding[1]
    head_dim = max(1, dim // heads)

    def rows(key: str) -> int:
        return shapes.get(key, (0,))[0]

    def attention(block: str) -> tuple[int, ...]:
        return tuple(rows(f"{name}.layers.{layer}.{block}.q_proj.weight") // head_dim for layer in range(layers))

    positions, max_positions = _positions(settings, name)
    if positions == "learned":
        max_positions = max(0, rows(f"{name}.embed_positions.weight") - PADDING_INDEX - 1)
    return Stack(
        dim=dim,
        head_dim=head_dim,
        heads=attention("self_attn"),
        cross_heads=attention("encoder_attn") if name == "decoder" else (),
        ffn=tuple(rows(f"{name}.layers.{layer}.fc1.weight") for layer in range(layers)),
        pre_norm=bool(settings.get(f"{name}_normalize_before")),
        final_norm=f"{name}.layer_norm.weight" in shapes,
        activation=_activation(checkpoint, settings),
        embedding_scale=1.0 if settings.get("no_scale_embedding") else math.sqrt(dim),
        embedding_norm=f"{name}.layernorm_embedding.weight" in shapes,
        positions=positions,
        max_positions=max_positions,
    )


def _positions(settings: Mapping[str, Any], name: str) -> tuple[str, int]:
    side = {"encoder": "source", "decoder": "target"}[name]
    longest = int(settings.get(f"max_{side}_positions") or DEFAULT_MAX_POSITIONS)
    if settings.get("no_token_positional_embeddings"):
        return "none", longest
    return ("learned" if settings.get(f"{name}_learned_pos") else "sinusoidal"), longest


def _activation(checkpoint: Checkpoint, settings: Mapping[str, Any]) -> str:
    name = str(settings.get("activation_fn") or "relu")
    name = "gelu_accurate" if name == "gelu_fast" else name  # fairseq's older word for it
    if name not in ACTIVATIONS:
        raise PruneError(
            f"{checkpoint.path} was trained with --activation-fn {name}; a compact model can have"
            f" {', '.join(ACTIVATIONS)}"
        )
    return name
