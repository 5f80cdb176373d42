"""The engine in C++: a sparse model's weights are read once per step for all hypotheses, and zeros not at all."""

import re
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import numpy.typing as npt

from nmt_prune.errors import PruneError
from nmt_prune.runtime import _engine
from nmt_prune.runtime.formats import check_formats, matrix
from nmt_prune.runtime.settings.search_limits import check_finite
from nmt_prune.runtime.settings.search_options import Attention, Hypothesis, SearchOptions
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.kept_values import KeptValues
from nmt_prune.storage.model.precision import check_values, converted
from nmt_prune.storage.model.stored_tensor import Csr, StoredTensor
from nmt_prune.text.dictionaries import EOS, PAD, UNK

_STACKED = {
    r"\.self_attn\.[qkv]_proj\.": ".self_attn.qkv_proj.",
    r"\.encoder_attn\.[kv]_proj\.": ".encoder_attn.kv_proj.",
}
"""Weights that are multiplied with the same input become one."""


class CompiledEngine:
    """Encoder, decoder and beam search in one loop outside Python; several threads may call one engine.

    Translations are those of ``fairseq-generate`` but for three things: the longest output follows from each source's
    own length, not from the longest one of its batch; ``no_repeat_ngram_size`` works, which in fairseq 0.12 it does not
    on a CPU; and a minimum length holds for each sentence from the end of its own prefix on.

    Where weights are int8, keys and values of the decoder are float16: they round by far less than the weights do.

    Args:
        model: the model; nothing of it is needed afterwards.
        values: type to which weights are converted, as in ``nmt-prune pack``; None: as they are stored.
        formats: see ``nmt_prune.runtime.formats.Formats``.
        threads: sentences of a batch are dealt out to so many threads.

    Raises:
        PruneError: a weight is missing or has the wrong shape, or a setting is unknown.
    """

    def __init__(self, model: CompactModel, values: str | None = None, formats: str = "auto", threads: int = 1) -> None:
        check_formats(formats)
        if values is not None:
            check_values(values)
        if threads < 1:
            raise PruneError(f"--threads {threads}: give 1 or more")
        self._threads = threads
        matrices: dict[str, _engine.Matrix] = {}
        vectors: dict[str, npt.NDArray[np.float32]] = {}
        built: dict[tuple[str, ...], _engine.Matrix] = {}
        are_rounded = formats == "dense-int8"
        for name, keys in _groups(model).items():
            stored = tuple(model.aliases.get(key, key) for key in keys)
            if len(model.weights[stored[0]].shape) == 2 and not name.endswith("embed_positions.weight"):
                if stored not in built:
                    columns = model.weights[stored[0]].shape[1]
                    rows = [_rows(key, model.weights[key], values) for key in stored]
                    are_rounded |= any(part.values.dtype == np.int8 for part in rows)
                    built[stored] = matrix(_stacked(rows), columns, formats)
                matrices[name] = built[stored]
            else:
                vectors[name] = _vector(name, [model.weights[key] for key in stored])
        try:
            self._model = _engine.Model(asdict(model.architecture), matrices, vectors, PAD, EOS, UNK, are_rounded)
        except ValueError as error:
            raise PruneError(f"the model cannot be run: {error}") from None

    def search(
        self,
        sources: Sequence[Sequence[int]],
        options: SearchOptions,
        prefixes: Sequence[Sequence[int]] | None = None,
        words: npt.NDArray[np.int32] | None = None,
        draws: Sequence[Sequence[float]] | None = None,
    ) -> list[list[Hypothesis]]:
        """Translates one batch; see ``nmt_prune.runtime.settings.search_options.Engine``.

        Raises:
            PruneError: a token is not in the dictionary, a source is too long, or an option makes no sense.
        """
        try:
            chosen = np.empty(0, np.int32) if words is None else words
            found = self._model.search(sources, asdict(options), prefixes or [], self._threads, chosen, draws or [])
        except ValueError as error:
            raise PruneError(str(error)) from None
        return [[Hypothesis(*hypothesis) for hypothesis in hypotheses] for hypotheses in found]

    def attention(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[Sequence[int]]]
    ) -> list[list[Attention]]:
        """See ``nmt_prune.runtime.settings.search_options.AligningEngine``.

        Raises:
            PruneError: a token is not in the dictionary, or a sentence is too long.
        """
        try:
            found: list[list[Attention]] = self._model.attention(sources, targets)
        except ValueError as error:
            raise PruneError(str(error)) from None
        return found


def _groups(model: CompactModel) -> dict[str, list[str]]:
    """Names of the engine's weights, and the stock keys of which each consists."""
    groups: dict[str, list[str]] = {}
    for key in (*model.weights, *model.aliases):
        name = key
        for pattern, stacked in _STACKED.items():
            name = re.sub(pattern, stacked, name)
        groups.setdefault(name, []).append(key)
    return {name: sorted(keys, key=_place) for name, keys in groups.items()}


def _place(key: str) -> int:
    found = re.search(r"\.([qkv])_proj\.", key)
    return "qkv".index(found[1]) if found else 0


def _rows(key: str, weight: StoredTensor, values: str | None) -> Csr:
    rows = (weight if values is None else converted(key, KeptValues.of(weight.dense()), values)).csr()
    scales = () if rows.scales is None else rows.scales
    check_finite(key, bool(np.isfinite(rows.values).all() and np.isfinite(scales).all()))
    return rows


def _stacked(parts: Sequence[Csr]) -> Csr:
    if len(parts) == 1:
        return parts[0]
    if len({part.values.dtype for part in parts}) > 1:
        parts = [_as_floats(part) for part in parts]
    offsets = np.cumsum([0] + [part.starts[-1] for part in parts[:-1]])
    starts = [part.starts[1:] + offset for part, offset in zip(parts, offsets, strict=True)]
    scales = [part.scales for part in parts if part.scales is not None]
    return Csr(
        np.concatenate([np.zeros(1, np.int64), *starts]),
        np.concatenate([part.columns for part in parts]),
        np.concatenate([part.values for part in parts]),
        np.concatenate(scales) if scales else None,
    )


def _as_floats(part: Csr) -> Csr:
    values = part.values.astype(np.float32)
    if part.scales is not None:
        values *= np.repeat(part.scales, np.diff(part.starts))
    return Csr(part.starts, part.columns, values, None)


def _vector(name: str, parts: Sequence[StoredTensor]) -> npt.NDArray[np.float32]:
    array = np.concatenate([part.dense() for part in parts])
    check_finite(name, bool(np.isfinite(array).all()))
    # fairseq counts positions from the row behind the padding's.
    return array[PAD + 1 :] if name.endswith("embed_positions.weight") else array
