"""Sublayers of fairseq's Transformer with fewer heads or feed-forward units, or none at all."""

from typing import Any

from fairseq.modules import MultiheadAttention
from torch import Tensor, nn

from nmt_prune.errors import PruneError


class NarrowAttention(MultiheadAttention):
    """fairseq's attention with fewer heads than model dimension / head dimension.

    PyTorch's own attention, which fairseq calls in training and in the encoder, insists on the full number; fairseq has
    a switch for its explicit computation (as fast on a CPU), made for pruned heads in encoders. Caches for step-by-step
    decoding and their reordering only know the number of heads and their dimension.

    Args:
        stock: the attention to take the place of.
        heads: number of heads, at least 1; they are as wide as the stock ones.
    """

    def __init__(self, stock: MultiheadAttention, heads: int) -> None:
        super().__init__(
            stock.embed_dim,
            stock.num_heads,
            kdim=stock.kdim,
            vdim=stock.vdim,
            self_attention=stock.self_attention,
            encoder_decoder_attention=stock.encoder_decoder_attention,
        )
        self.dropout_module = stock.dropout_module
        self.num_heads, self.embed_dim = heads, heads * self.head_dim
        self.q_proj = nn.Linear(stock.embed_dim, self.embed_dim)
        self.k_proj = nn.Linear(stock.kdim, self.embed_dim)
        self.v_proj = nn.Linear(stock.vdim, self.embed_dim)
        self.out_proj = nn.Linear(self.embed_dim, stock.embed_dim)
        self.reset_parameters()
        self._set_skip_embed_dim_check()


class OutputBias(nn.Module):
    """The output projection of a sublayer without units: its bias at every position."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(Tensor(dimension).zero_())

    def forward(self, x: Tensor) -> Tensor:
        return self.bias.expand_as(x)


class EmptyAttention(nn.Module):
    """Attention without heads: nothing is projected, compared or cached.

    Who asks for attention weights (``--print-alignment``) gets uniform ones, as from heads whose queries are all zero.

    Args:
        stock: the attention to take the place of.
    """

    def __init__(self, stock: MultiheadAttention) -> None:
        super().__init__()
        self.num_heads, self.head_dim = 0, stock.head_dim
        self.out_proj = OutputBias(stock.embed_dim)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        need_head_weights: bool = False,
        **_: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """Takes and returns what fairseq's attention does; time × batch × model dimension."""
        if not need_weights:
            return self.out_proj(query), None
        weights = query.new_ones(key.shape[1], query.shape[0], key.shape[0])
        if key_padding_mask is not None:
            weights = weights.masked_fill(key_padding_mask.bool().unsqueeze(1), 0)
        weights = weights / weights.sum(dim=2, keepdim=True)
        return self.out_proj(query), weights.unsqueeze(0) if need_head_weights else weights

    def _get_input_buffer(self, incremental_state: Any) -> dict[str, Tensor | None]:
        return {}


def narrow(layer: Any, block: str, units: int) -> None:
    """Replaces a sublayer by a narrower one, freshly initialised.

    Args:
        layer: a layer of fairseq's encoder or decoder.
        block: ``self_attn``, ``encoder_attn`` or ``ffn``.
        units: number of heads or feed-forward units; 0 skips the sublayer but for its output bias, its residual
            connection and, in a post-norm model, its layer norm.

    Raises:
        PruneError: more heads than the model dimension has room for.
    """
    if block == "ffn":
        _narrow_feedforward(layer, units)
        return
    stock = getattr(layer, block)
    if stock is None or units == stock.num_heads:
        return
    if units > stock.num_heads:
        raise PruneError(f"{units} heads in a layer of {stock.num_heads}; lists of heads can only take some away")
    setattr(layer, block, NarrowAttention(stock, units) if units else EmptyAttention(stock))
    if not units:
        _drop_norm_in_front(layer, f"{block}_layer_norm")


def _narrow_feedforward(layer: Any, units: int) -> None:
    dimension, noise = layer.embed_dim, (layer.quant_noise, layer.quant_noise_block_size)
    if units == layer.fc1.out_features:
        return
    if units:
        layer.fc1 = layer.build_fc1(dimension, units, *noise)
        layer.fc2 = layer.build_fc2(units, dimension, *noise)
        return
    layer.fc1 = layer.activation_fn = layer.activation_dropout_module = nn.Identity()
    layer.fc2 = OutputBias(dimension)
    _drop_norm_in_front(layer, "final_layer_norm")


def _drop_norm_in_front(layer: Any, name: str) -> None:
    if layer.normalize_before:
        setattr(layer, name, nn.Identity())
