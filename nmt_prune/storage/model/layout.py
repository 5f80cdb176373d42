"""Which tensors a model of an architecture has, under the keys of the stock state dict."""

from nmt_prune.storage.model.architecture import Architecture, Stack
from nmt_prune.text.dictionaries import PAD

Shapes = dict[str, tuple[int, ...]]


def layout(architecture: Architecture, source_size: int, target_size: int) -> Shapes:
    """Names and shapes of all tensors, in the order of fairseq's state dict.

    Args:
        architecture: what the model looks like.
        source_size: rows of the encoder's embedding.
        target_size: rows of the decoder's embedding and of the output projection.
    """
    encoder, decoder = architecture.encoder, architecture.decoder
    return {
        **_stack("encoder", encoder, source_size, encoder.dim),
        **_stack("decoder", decoder, target_size, encoder.dim),
        "decoder.output_projection.weight": (target_size, decoder.dim),
    }


def _stack(name: str, stack: Stack, symbols: int, memory_dim: int) -> Shapes:
    shapes: Shapes = {f"{name}.embed_tokens.weight": (symbols, stack.dim)}
    if stack.positions == "learned":
        # fairseq counts positions from the row behind the padding's.
        shapes[f"{name}.embed_positions.weight"] = (stack.max_positions + PAD + 1, stack.dim)
    if stack.embedding_norm:
        shapes |= _norm(f"{name}.layernorm_embedding", stack.dim)
    cross_heads: tuple[int | None, ...] = stack.cross_heads if name == "decoder" else (None,) * len(stack.heads)
    for layer, (heads, cross, ffn) in enumerate(zip(stack.heads, cross_heads, stack.ffn, strict=True)):
        prefix = f"{name}.layers.{layer}"
        shapes |= _attention(f"{prefix}.self_attn", stack, heads, stack.dim)
        if cross is not None:
            shapes |= _attention(f"{prefix}.encoder_attn", stack, cross, memory_dim)
        shapes |= _feedforward(prefix, stack, ffn)
    if stack.final_norm:
        shapes |= _norm(f"{name}.layer_norm", stack.dim)
    return shapes


def _attention(prefix: str, stack: Stack, heads: int, memory_dim: int) -> Shapes:
    width, shapes = heads * stack.head_dim, Shapes()
    if heads:
        shapes |= _linear(f"{prefix}.k_proj", width, memory_dim)
        shapes |= _linear(f"{prefix}.v_proj", width, memory_dim)
        shapes |= _linear(f"{prefix}.q_proj", width, stack.dim)
        shapes |= _linear(f"{prefix}.out_proj", stack.dim, width)
    else:
        shapes[f"{prefix}.out_proj.bias"] = (stack.dim,)
    return shapes | _norm_of_sublayer(f"{prefix}_layer_norm", stack, heads)


def _feedforward(prefix: str, stack: Stack, units: int) -> Shapes:
    shapes = Shapes()
    if units:
        shapes |= _linear(f"{prefix}.fc1", units, stack.dim)
        shapes |= _linear(f"{prefix}.fc2", stack.dim, units)
    else:
        shapes[f"{prefix}.fc2.bias"] = (stack.dim,)
    return shapes | _norm_of_sublayer(f"{prefix}.final_layer_norm", stack, units)


def _norm_of_sublayer(name: str, stack: Stack, units: int) -> Shapes:
    return _norm(name, stack.dim) if units or not stack.pre_norm else {}


def _norm(name: str, dim: int) -> Shapes:
    return {f"{name}.weight": (dim,), f"{name}.bias": (dim,)}


def _linear(name: str, outputs: int, inputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}
