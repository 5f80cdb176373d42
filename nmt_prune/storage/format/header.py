"""The description inside a compact file: architecture, names, and how each tensor is encoded."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

from nmt_prune.storage.coding.records import count, counts, mapping, one_of
from nmt_prune.storage.coding.streams import DamagedError
from nmt_prune.storage.format.encoding import LARGEST_SIZE, shape_of
from nmt_prune.storage.format.text_facts import check_text
from nmt_prune.storage.model.architecture import ACTIVATIONS, POSITIONS, Architecture, Stack
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.layout import Shapes, layout

LARGEST_RATIO = 1024
"""Elements of all tensors per byte of the file; of a random mask that keeps one weight in 1000 there are below 300."""

LARGEST_TEXT_RATIO = 64
"""Bytes of a text, such as the header itself, per byte of the file; real ones have about one at most."""

MOST_LAYERS = 1024

Records = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Header:
    """What is in a compact file beside its bytes.

    Attributes:
        architecture: what the model looks like.
        symbols: number of source and of target symbols.
        aliases: see :class:`CompactModel`.
        text: see :class:`CompactModel`.
        provenance: see :class:`CompactModel`.
        matrices: the record of each matrix.
        vectors: the record of all vectors, one behind the other.
    """

    architecture: Architecture
    symbols: tuple[int, int]
    aliases: dict[str, str]
    text: dict[str, Any]
    provenance: dict[str, Any]
    matrices: Records
    vectors: dict[str, Any]

    @classmethod
    def of(cls, model: CompactModel, matrices: Records, vectors: dict[str, Any]) -> "Header":
        """The header of a model whose tensors are encoded."""
        symbols = (len(model.source), len(model.target))
        facts = (dict(model.aliases), dict(model.text), dict(model.provenance))
        return cls(model.architecture, symbols, *facts, matrices, vectors)

    def to_json(self) -> bytes:
        """The JSON object that :meth:`parse` reads."""
        return json.dumps(asdict(self), ensure_ascii=False).encode("utf-8", "surrogatepass")

    @classmethod
    def parse(cls, text: bytes, file_size: int) -> "Header":
        """Reads and checks a header that anybody may have written.

        Raises:
            DamagedError: it is no header, contradicts itself, or promises more than a file of this size can hold.
        """
        try:
            found = json.loads(text.decode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError):
            raise DamagedError("its header is not JSON") from None
        if not isinstance(found, dict):
            raise DamagedError("its header is not an object")
        stacks = mapping(found, "architecture")
        architecture = Architecture(_stack(mapping(stacks, "encoder"), False), _stack(mapping(stacks, "decoder"), True))
        symbols = counts(found, "symbols", file_size * LARGEST_TEXT_RATIO, 1)
        if len(symbols) != 2:
            raise DamagedError("symbols")
        header = cls(
            architecture,
            (symbols[0], symbols[1]),
            mapping(found, "aliases"),
            mapping(found, "text"),
            mapping(found, "provenance"),
            mapping(found, "matrices"),
            mapping(found, "vectors"),
        )
        header._check(file_size)
        return header

    @property
    def shapes(self) -> Shapes:
        """Names and shapes of all tensors but tied ones."""
        shapes = layout(self.architecture, *self.symbols)
        return {name: shape for name, shape in shapes.items() if name not in self.aliases}

    @property
    def vector_shapes(self) -> Shapes:
        """Names and shapes of the vectors, in the order in which they are stored."""
        return {name: shape for name, shape in self.shapes.items() if len(shape) == 1}

    def _check(self, file_size: int) -> None:
        every, shapes = layout(self.architecture, *self.symbols), self.shapes
        check_text(self.text)
        stacks = (self.architecture.encoder, self.architecture.decoder)
        positions = sum(stack.max_positions * stack.dim for stack in stacks)
        if positions + sum(map(prod, every.values())) > LARGEST_RATIO * file_size:
            raise DamagedError("a file of its size cannot hold so many weights")
        for alias, name in self.aliases.items():
            if not isinstance(name, str) or name not in shapes or every.get(alias) != shapes[name]:
                raise DamagedError(f"alias {alias[:80]}")
        expected = {name: shape for name, shape in shapes.items() if len(shape) == 2}
        if self.matrices.keys() != expected.keys():
            raise DamagedError("its matrices are not those of its architecture")
        for name, shape in expected.items():
            _check_record(mapping(self.matrices, name), shape)
        _check_record(self.vectors, (sum(map(prod, self.vector_shapes.values())),))


def _check_record(record: Mapping[str, Any], shape: tuple[int, ...]) -> None:
    if shape_of(record) != shape:
        raise DamagedError("the shape of a tensor is not that of its architecture")
    count(record, "kept", prod(shape))


def _stack(record: Mapping[str, Any], is_decoder: bool) -> Stack:
    heads, cross, ffn = (counts(record, key, LARGEST_SIZE) for key in ("heads", "cross_heads", "ffn"))
    if not MOST_LAYERS >= len(heads) == len(ffn) > 0 or len(cross) != (len(heads) if is_decoder else 0):
        raise DamagedError("numbers of layers")
    scale = record.get("embedding_scale")
    if type(scale) is not float or not math.isfinite(scale):
        raise DamagedError("embedding_scale")
    for key in ("pre_norm", "final_norm", "embedding_norm"):
        if type(record.get(key)) is not bool:
            raise DamagedError(key)
    return Stack(
        dim=count(record, "dim", LARGEST_SIZE, 1),
        head_dim=count(record, "head_dim", LARGEST_SIZE, 1),
        heads=heads,
        cross_heads=cross,
        ffn=ffn,
        pre_norm=record["pre_norm"],
        final_norm=record["final_norm"],
        activation=one_of(record, "activation", ACTIVATIONS),
        embedding_scale=scale,
        embedding_norm=record["embedding_norm"],
        positions=one_of(record, "positions", POSITIONS),
        max_positions=count(record, "max_positions", LARGEST_SIZE),
    )
