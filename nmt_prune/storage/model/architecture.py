"""What a translation model looks like, without fairseq: all that it takes to run its weights."""

from dataclasses import dataclass

ACTIVATIONS = ("relu", "gelu", "gelu_accurate", "swish")
POSITIONS = ("sinusoidal", "learned", "none")


@dataclass(frozen=True)
class Stack:
    """An encoder or a decoder, layer by layer.

    Attributes:
        dim: width of the residual stream.
        head_dim: width of a head; its scores are scaled by its inverse square root, however many heads are left.
        heads: self-attention heads of each layer; 0 where the sublayer is gone.
        cross_heads: the same of the cross-attention; empty in an encoder.
        ffn: feed-forward units of each layer; 0 where the sublayer is gone.
        pre_norm: layer norm before a sublayer, not behind it.
        final_norm: a layer norm behind the last layer.
        activation: ``relu``, ``gelu``, ``gelu_accurate`` or ``swish``, as fairseq calls them.
        embedding_scale: factor of the token embedding, √dim or 1.
        embedding_norm: a layer norm behind the embeddings.
        positions: ``sinusoidal``, ``learned`` or ``none``.
        max_positions: longest sequence, the end of sentence included.
    """

    dim: int
    head_dim: int
    heads: tuple[int, ...]
    cross_heads: tuple[int, ...]
    ffn: tuple[int, ...]
    pre_norm: bool
    final_norm: bool
    activation: str
    embedding_scale: float
    embedding_norm: bool
    positions: str
    max_positions: int


@dataclass(frozen=True)
class Architecture:
    """Both stacks; the cross-attention reads keys and values of the encoder's width."""

    encoder: Stack
    decoder: Stack
