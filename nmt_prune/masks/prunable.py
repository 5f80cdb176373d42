"""Which weights can be pruned: every matrix of a fairseq Transformer, each storage once."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from nmt_prune.errors import PruneError

PADDING_INDEX, EOS_INDEX = 1, 2  # of every fairseq.data.Dictionary: <s> 0, <pad> 1, </s> 2, <unk> 3
_LAYER_MATRIX = re.compile(
    r"(?P<stack>encoder|decoder)\.layers\.(?P<layer>\d+)\.(?:(?P<block>self_attn|encoder_attn)\.)?"
    r"(?P<matrix>[qkv]_proj|out_proj|fc1|fc2)\.weight"
)
_VOCABULARY_MATRIX = re.compile(r"(?P<stack>encoder|decoder)\.(?P<matrix>embed_tokens|output_projection)\.weight")
_NEVER_PRUNED = re.compile(
    r"(encoder|decoder)\.(embed_positions|project_in_dim|project_out_dim|adaptive_softmax|embed_tokens\.embeddings|quant_noise)\."
    r"|(mask|quantization)_version_1\."
)

PruneSet = Literal["all", "body"]


@dataclass(frozen=True)
class Prunable:
    """One matrix that can be pruned, under its canonical name (the first of the names that share its storage).

    Attributes:
        name: canonical state-dict key.
        shape: (rows, columns) = (outputs, inputs), or (vocabulary, dimension) for an embedding.
        stack: ``encoder`` or ``decoder``.
        layer: number of the layer; None for vocabulary matrices.
        block: ``self_attn``, ``encoder_attn``, ``ffn`` or ``vocabulary``.
        matrix: ``q_proj``, ``k_proj``, ``v_proj``, ``out_proj``, ``fc1``, ``fc2``, ``embed_tokens`` or
            ``output_projection``.
        aliases: other state-dict keys of the same storage (tied embeddings).
        padding_row: row of the padding symbol, which is never pruned and never counted; None if there is none.
    """

    name: str
    shape: tuple[int, int]
    stack: str
    layer: int | None
    block: str
    matrix: str
    aliases: tuple[str, ...] = ()
    padding_row: int | None = None

    @property
    def size(self) -> int:
        """Number of weights that count: all but the padding row."""
        rows, columns = self.shape
        return (rows - (self.padding_row is not None)) * columns

    @property
    def in_body(self) -> bool:
        """Whether the matrix is neither an embedding nor the output projection."""
        return self.block != "vocabulary"

    @property
    def names(self) -> tuple[str, ...]:
        """All state-dict keys of this storage, the canonical one first."""
        return (self.name, *self.aliases)


def parse(name: str, shape: Iterable[int]) -> Prunable | None:
    """The prunable matrix behind a state-dict key, or None for everything that is never pruned.

    Biases, layer norms and position embeddings are never pruned (Brix 2020, section 4).
    """
    rows_columns = tuple(shape)
    match = _LAYER_MATRIX.fullmatch(name) or _VOCABULARY_MATRIX.fullmatch(name)
    if match is None or len(rows_columns) != 2:
        return None
    found = match.groupdict()
    in_layer = found.get("layer") is not None
    return Prunable(
        name=name,
        shape=(rows_columns[0], rows_columns[1]),
        stack=found["stack"],
        layer=int(found["layer"]) if in_layer else None,
        block=(found["block"] or "ffn") if in_layer else "vocabulary",
        matrix=found["matrix"],
        padding_row=PADDING_INDEX if found["matrix"] == "embed_tokens" else None,
    )


def prunable_parameters(model: nn.Module) -> dict[Prunable, nn.Parameter]:
    """The prunable parameters of a model, tied ones once, in the order of ``model.named_parameters()``."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    return {prunable: parameters[prunable.name] for prunable in _group(parameters, lambda a, b: a is b)}


def prunable_matrices(state_dict: Mapping[str, Tensor]) -> dict[Prunable, Tensor]:
    """The prunable matrices of a state dict, tied ones once.

    fairseq writes a tied embedding under up to three keys. On disk they may share one storage or be equal copies, so
    vocabulary matrices with equal values count as tied.

    Raises:
        PruneError: there is none, i.e. this is not a fairseq Transformer, or a matrix is of none.
    """
    tensors = {name: tensor for name, tensor in state_dict.items() if isinstance(tensor, Tensor)}
    found = {prunable: tensors[prunable.name] for prunable in _group(tensors, _same_values)}
    if not found:
        raise PruneError("the checkpoint holds no matrix of a fairseq Transformer (encoder.layers.0.fc1.weight, ...)")
    for name, tensor in tensors.items():
        is_matrix = tensor.dim() == 2 and tensor.is_floating_point()
        if is_matrix and parse(name, tensor.shape) is None and not _NEVER_PRUNED.match(name):
            raise PruneError(
                f"{name} {tuple(tensor.shape)} is no matrix of a fairseq Transformer: what it does is not known, so"
                " that nothing here can be counted or pruned; take a plain encoder-decoder Transformer"
            )
    return found


def _same_values(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and (a.data_ptr() == b.data_ptr() or torch.equal(a, b))


def _group(tensors: Mapping[str, Tensor], tied: Callable[[Tensor, Tensor], bool]) -> list[Prunable]:
    found: list[Prunable] = []
    for name, tensor in tensors.items():
        prunable = parse(name, tensor.shape)
        if prunable is None:
            continue
        for index, first in enumerate(found):
            if not first.in_body and not prunable.in_body and tied(tensors[first.name], tensor):
                padding = first.padding_row if first.padding_row is not None else prunable.padding_row
                found[index] = replace(first, aliases=(*first.aliases, name), padding_row=padding)
                break
        else:
            found.append(prunable)
    return found


def restrict(prunables: Iterable[Prunable], prune_set: PruneSet) -> list[Prunable]:
    """The matrices of a prune set: ``all`` (Brix, Gale) or ``body`` (without embeddings and output projection, Yu).

    Raises:
        PruneError: unknown prune set.
    """
    if prune_set not in ("all", "body"):
        raise PruneError(f"unknown prune set {prune_set!r}; known: all, body")
    return [prunable for prunable in prunables if prune_set == "all" or prunable.in_body]
