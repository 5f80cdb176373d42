"""A translation model as the runtime wants it: architecture, weights, dictionaries, subwords."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy.typing as npt

from nmt_prune.storage.model.architecture import Architecture
from nmt_prune.storage.model.shortlist import Shortlist
from nmt_prune.storage.model.stored_tensor import StoredTensor

Values = Literal["float32", "float16", "bfloat16", "int8", "auto"]
"""Type of the kept weights of matrices; see :func:`nmt_prune.storage.model.precision.converted`."""


@dataclass(frozen=True)
class CompactModel:
    """All that translating a line of text takes.

    Attributes:
        architecture: its shape.
        weights: one entry per storage, under the key of the stock state dict that comes first
            (``encoder.embed_tokens.weight`` where embeddings are tied). Of a sublayer that is gone only the output bias
            is left. Matrices of attention are stock: ``q_proj``, ``k_proj``, ``v_proj``, ``out_proj``.
        aliases: the other keys of tied storages, each with the key under which it is kept.
        source: symbols of the source dictionary in the order of their rows, the four special ones first.
        target: the same of the target dictionary.
        text: how lines become subwords and back: ``source_lang``, ``target_lang``, ``bpe``, ``tokenizer`` and the like,
            as FORMAT.md lists them.
        sentencepiece: the SentencePiece model's bytes, where there is one.
        provenance: where the weights come from; nothing in it is needed to translate.
        extras: other entries of the state dict, which no engine reads, such as ranges of quantized activations.
        shortlist: of which target subwords a translation may be made, where there is one.
    """

    architecture: Architecture
    weights: Mapping[str, StoredTensor]
    aliases: Mapping[str, str]
    source: tuple[str, ...]
    target: tuple[str, ...]
    text: Mapping[str, Any] = field(default_factory=dict)
    sentencepiece: bytes | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    extras: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    shortlist: Shortlist | None = None
