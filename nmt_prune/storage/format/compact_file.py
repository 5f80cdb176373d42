"""Compact files: one safetensors file with all that translating takes, as FORMAT.md beside this module specifies."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from nmt_prune.errors import PruneError
from nmt_prune.files import atomic_path
from nmt_prune.kinds import COMPACT_MODEL, MODEL, refuse_other_kinds
from nmt_prune.storage.coding.streams import DamagedError, compress, decompress_up_to
from nmt_prune.storage.format import shortlist
from nmt_prune.storage.format.encoded_tensor import EncodedTensor, decoded
from nmt_prune.storage.format.encoding import encode
from nmt_prune.storage.format.header import LARGEST_TEXT_RATIO, Header
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.kept_values import KeptValues
from nmt_prune.text.dictionaries import SPECIAL

FORMAT = 1
_EXTRA, _SHORTLIST = "extra:", "shortlist"
Tensors = dict[str, npt.NDArray[Any]]


def save_compact(model: CompactModel, path: Path | str) -> None:
    """Writes a compact file atomically; equal models give equal bytes.

    Each tensor is encoded in the form that turns out smallest.

    Args:
        model: the model.
        path: where to; by convention ``*.nmt``.

    Raises:
        PruneError: the file cannot be written.
    """
    records, tensors = {}, Tensors()
    for name, weight in model.weights.items():
        if len(weight.shape) == 2:
            records[name], data = encode(decoded(weight))
            tensors[name] = np.frombuffer(data, np.uint8)
    outline = Header.of(model, records, {})
    vectors = np.concatenate([model.weights[name].dense() for name in outline.vector_shapes])
    record, data = encode(KeptValues.of(vectors))
    tensors["vectors"] = np.frombuffer(data, np.uint8)
    header = replace(outline, vectors=record)
    texts = {"header": header.to_json(), "source": _join(model.source)}
    if model.target != model.source:
        texts["target"] = _join(model.target)
    if model.sentencepiece is not None:
        texts["sentencepiece"] = model.sentencepiece
    if model.shortlist is not None:
        texts[_SHORTLIST] = shortlist.to_bytes(model.shortlist)
    tensors |= {name: np.frombuffer(compress(text), np.uint8) for name, text in texts.items()}
    tensors |= {_EXTRA + name: np.asarray(array, order="C") for name, array in model.extras.items()}
    metadata = {MODEL: json.dumps({"format": FORMAT, "digest": _digest(tensors)})}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors, metadata=metadata))


def load_compact(path: Path | str) -> CompactModel:
    """Reads a compact file that anybody may have written, without running any code from it.

    Tensors are decoded when they are asked for. Nothing larger than the header states is allocated, and what it may
    state is bounded by the size of the file.

    Raises:
        PruneError: the file is missing, no compact file, of a newer format, or damaged.
    """
    path = Path(path)
    tensors = _read(path)
    try:
        return _model(path, tensors)
    except DamagedError as error:
        raise PruneError(f"{path} is damaged: {error}; copy or pack the file again") from None


def tensor_bytes(path: Path | str) -> int:
    """Bytes of all weights in a compact file: without dictionaries, subword model and header."""
    tensors = _read(Path(path))
    return sum(tensor.nbytes for name, tensor in tensors.items() if name == "vectors" or name.endswith(".weight"))


def _read(path: Path) -> Tensors:
    if not path.exists():
        raise PruneError(f"compact model {path} does not exist; write one with nmt-prune pack")
    refuse_other_kinds(path, COMPACT_MODEL, "write one with nmt-prune pack")
    try:
        with safe_open(path, framework="np") as file:
            facts = json.loads((file.metadata() or {}).get(MODEL, "null"))
            if not isinstance(facts, dict):
                raise PruneError(f"{path} is a safetensors file without a model; write one with nmt-prune pack")
            if facts.get("format") != FORMAT:
                raise PruneError(
                    f"{path} has format {str(facts.get('format'))[:20]}, this version reads {FORMAT}; update nmt-prune"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except OSError as error:
        raise PruneError(f"{path} cannot be read: {error.strerror or error}") from None
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise PruneError(f"{path} is not a compact model, or truncated; write one with nmt-prune pack") from None
    if _digest(tensors) != facts.get("digest"):
        raise PruneError(f"{path} is damaged: its digest is not that of its contents; copy or pack the file again")
    return tensors


def _model(path: Path, tensors: Tensors) -> CompactModel:
    size = path.stat().st_size
    header = Header.parse(_text(tensors, "header", size), size)
    weights: dict[str, EncodedTensor | KeptValues] = {
        name: EncodedTensor(f"{path}: {name}", record, _bytes(tensors, name))
        for name, record in header.matrices.items()
    }
    vectors = EncodedTensor(f"{path}: vectors", header.vectors, _bytes(tensors, "vectors")).dense()
    start = 0
    for name, (width,) in header.vector_shapes.items():
        weights[name] = KeptValues.of(vectors[start : start + width])
        start += width
    source = _symbols(tensors, "source", header.symbols[0], size)
    target = _symbols(tensors, "target" if "target" in tensors else "source", header.symbols[1], size)
    extras = {name.removeprefix(_EXTRA): tensor for name, tensor in tensors.items() if name.startswith(_EXTRA)}
    return CompactModel(
        header.architecture,
        {name: weights[name] for name in header.shapes},
        header.aliases,
        source,
        target,
        header.text,
        _text(tensors, "sentencepiece", size) if "sentencepiece" in tensors else None,
        header.provenance,
        extras,
        shortlist.from_bytes(_text(tensors, _SHORTLIST, size), header.symbols) if _SHORTLIST in tensors else None,
    )


def _digest(tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    sha = hashlib.sha256(f"{FORMAT}\n".encode())
    for name in sorted(tensors):
        tensor = np.asarray(tensors[name], order="C")
        sha.update(f"{name} {tensor.dtype.name} {list(tensor.shape)}\n".encode("utf-8", "surrogatepass"))
        sha.update(tensor.reshape(-1).view(np.uint8).data)
    return sha.hexdigest()


def _bytes(tensors: Tensors, name: str) -> bytes:
    if name not in tensors or tensors[name].dtype != np.uint8 or tensors[name].ndim != 1:
        raise DamagedError(f"{name} is missing or of the wrong type")
    return tensors[name].tobytes()


def _text(tensors: Tensors, name: str, file_size: int) -> bytes:
    return decompress_up_to(_bytes(tensors, name), LARGEST_TEXT_RATIO * file_size)


def _join(symbols: Sequence[str]) -> bytes:
    return "\n".join(symbols).encode()


def _symbols(tensors: Tensors, name: str, count: int, file_size: int) -> tuple[str, ...]:
    try:
        symbols = tuple(_text(tensors, name, file_size).decode().split("\n"))
    except UnicodeDecodeError:
        raise DamagedError(f"the {name} dictionary is not UTF-8") from None
    if len(symbols) != count or symbols[: len(SPECIAL)] != SPECIAL:
        raise DamagedError(f"the {name} dictionary is not that of its embedding")
    return symbols
