"""Random compact models of any architecture, and the same models in fairseq."""

from argparse import Namespace
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt_prune.storage.model.architecture import Architecture, Stack
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.kept_values import KeptValues
from nmt_prune.storage.model.layout import layout
from nmt_prune.text.dictionaries import EOS, SPECIAL

Array = npt.NDArray[np.float32]

STACK = Stack(
    dim=16,
    head_dim=4,
    heads=(4, 4),
    cross_heads=(),
    ffn=(24, 24),
    pre_norm=False,
    final_norm=False,
    activation="relu",
    embedding_scale=4.0,
    embedding_norm=False,
    positions="sinusoidal",
    max_positions=1024,
)
ENCODER, DECODER = STACK, replace(STACK, cross_heads=(4, 4))
PRE_NORM = {"pre_norm": True, "final_norm": True}


def random_model(
    encoder: Stack = ENCODER,
    decoder: Stack = DECODER,
    *,
    words: int = 40,
    target_words: int | None = None,
    tying: str = "all",
    density: float = 1.0,
    seed: int = 0,
) -> CompactModel:
    """A model whose weights are random, large enough for some words to be likelier than others.

    Args:
        encoder: the encoder.
        decoder: the decoder.
        words: words of the source dictionary beside the four special symbols.
        target_words: the same of the target dictionary; the same number by default.
        tying: ``all``, ``decoder`` (embedding and output projection) or ``none``.
        density: share of the weights of each matrix that is not zero, unevenly over its rows: the first has none.
        seed: seed of the weights.
    """
    chance = np.random.default_rng(seed)
    source, target = (
        (*SPECIAL, *(f"{letter}{word}" for word in range(count)))
        for letter, count in (("w", words), ("w" if tying == "all" else "v", target_words or words))
    )
    architecture = Architecture(encoder, decoder)
    weights, aliases = {}, {}
    for key, shape in layout(architecture, len(source), len(target)).items():
        first = _tied_to(key, tying)
        if first is not None:
            aliases[key] = first
        else:
            weights[key] = KeptValues.of(_random(key, shape, density, chance))
    text = {"source_lang": "en", "target_lang": "de", "bpe": "none"}
    return CompactModel(architecture, weights, aliases, source, target, text)


def _tied_to(key: str, tying: str) -> str | None:
    if tying == "all" and key in ("decoder.embed_tokens.weight", "decoder.output_projection.weight"):
        return "encoder.embed_tokens.weight"
    if tying == "decoder" and key == "decoder.output_projection.weight":
        return "decoder.embed_tokens.weight"
    return None


def _random(key: str, shape: tuple[int, ...], density: float, chance: np.random.Generator) -> Array:
    values = chance.standard_normal(shape).astype(np.float32)
    if len(shape) == 1:
        # Norms of either sign: a model with tied embeddings would else say the same word for ever.
        return np.sign(values) + values / 5 if key.endswith(("norm.weight", "norm_embedding.weight")) else values / 10
    is_embedding = "embed" in key or "output_projection" in key
    values *= (0.5 if is_embedding else 1.2) / np.sqrt(shape[1])
    if is_embedding:
        values[EOS] *= 4  # and would never end
    if density < 1:
        share = density * np.linspace(0, 2, shape[0])[:, np.newaxis]
        values[chance.random(shape) >= share] = 0
    return values


def fairseq_model(compact: CompactModel) -> tuple[Any, Any]:
    """The same model in fairseq, and its target dictionary."""
    import torch
    from fairseq.data import Dictionary
    from fairseq.models import ARCH_CONFIG_REGISTRY

    from nmt_prune.models.shrunk_transformer import ShrunkTransformer

    source, target = Dictionary(), Dictionary()
    for dictionary, symbols in ((source, compact.source), (target, compact.target)):
        for symbol in symbols[len(SPECIAL) :]:
            dictionary.add_symbol(symbol)
    args = Namespace(**_flags(compact), dropout=0.0)
    ARCH_CONFIG_REGISTRY["shrunk_transformer"](args)
    task = SimpleNamespace(source_dictionary=source, target_dictionary=source if args.share_all_embeddings else target)
    model = ShrunkTransformer.build_model(args, task)
    keys = {**{key: key for key in compact.weights}, **compact.aliases}
    state = {key: torch.from_numpy(compact.weights[kept].dense()) for key, kept in keys.items()}
    state |= {key: value for key, value in model.state_dict().items() if key.endswith("version")}
    model.load_state_dict(state)
    return model.eval(), task.target_dictionary


def _flags(compact: CompactModel) -> dict[str, Any]:
    """The configuration of ``shrunk_transformer``."""
    architecture, flags = compact.architecture, {}
    for name, stack in (("encoder", architecture.encoder), ("decoder", architecture.decoder)):
        flags |= {
            f"{name}_embed_dim": stack.dim,
            f"{name}_attention_heads": stack.dim // stack.head_dim,
            f"{name}_layers": len(stack.ffn),
            f"{name}_ffn_embed_dim": max(*stack.ffn, 1),
            f"{name}_layer_heads": ",".join(map(str, stack.heads)),
            f"{name}_layer_ffn": ",".join(map(str, stack.ffn)),
            f"{name}_normalize_before": stack.pre_norm,
            f"{name}_learned_pos": stack.positions == "learned",
        }
    decoder = architecture.decoder
    tied = compact.aliases.get("decoder.output_projection.weight")
    return flags | {
        "decoder_layer_cross_heads": ",".join(map(str, decoder.cross_heads)),
        "no_decoder_final_norm": decoder.pre_norm and not decoder.final_norm,
        "activation_fn": decoder.activation,
        "no_scale_embedding": decoder.embedding_scale == 1,
        "layernorm_embedding": decoder.embedding_norm,
        "no_token_positional_embeddings": decoder.positions == "none",
        "max_source_positions": architecture.encoder.max_positions,
        "max_target_positions": decoder.max_positions,
        "share_all_embeddings": tied == "encoder.embed_tokens.weight",
        "share_decoder_input_output_embed": tied is not None,
    }
