"""Real fairseq models, small, untrained and without data."""

from argparse import Namespace
from types import SimpleNamespace
from typing import Any

import torch
from fairseq.data import Dictionary
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY
from torch import Tensor

from nmt_prune.models.masked_transformer import MaskedTransformer

TYINGS: dict[str, dict[str, bool]] = {
    "all": {"share_all_embeddings": True},
    "decoder": {"share_decoder_input_output_embed": True},
    "none": {},
}
SMALL = {"encoder_embed_dim": 16, "encoder_ffn_embed_dim": 24, "encoder_layers": 1, "decoder_layers": 1}


def dictionary(words: int = 20) -> Dictionary:
    """A dictionary of ``words`` words and fairseq's four special symbols."""
    symbols = Dictionary()
    for word in range(words):
        symbols.add_symbol(f"w{word}")
    return symbols


def tiny_model(
    tying: str = "all", words: int = 20, arch: str = "masked_transformer_tiny", **flags: Any
) -> MaskedTransformer:
    """A small masked model; tied embeddings also need one common dictionary."""
    symbols = dictionary(words)
    args = Namespace(**{**SMALL, "dropout": 0.0, **TYINGS[tying], **flags})
    ARCH_CONFIG_REGISTRY[arch](args)
    other = symbols if tying == "all" else dictionary(words + 5)
    return ARCH_MODEL_REGISTRY[arch].build_model(
        args, SimpleNamespace(source_dictionary=symbols, target_dictionary=other, holds_masks=True)
    )


def real_loss(model: MaskedTransformer) -> Tensor:
    """The negative log-likelihood of one made-up sentence pair, the source padded."""
    source, target = torch.tensor([[1, 5, 6, 7, 2]]), torch.tensor([[2, 8, 9, 10]])
    logits, _ = model(source, torch.tensor([4]), target)
    return torch.nn.functional.cross_entropy(logits[0].float(), torch.tensor([8, 9, 10, 2]))
