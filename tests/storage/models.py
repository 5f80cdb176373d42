"""Small random compact models, made without fairseq: every form of positions and every type of values."""

import math
from dataclasses import replace

import numpy as np

from nmt_prune.storage.model.architecture import Architecture
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.kept_values import KeptValues
from nmt_prune.storage.model.layout import layout
from nmt_prune.storage.model.shortlist import Shortlist, from_lists
from nmt_prune.storage.model.stored_tensor import StoredTensor
from nmt_prune.text.dictionaries import SPECIAL
from tests.runtime.models import STACK

ENCODER = replace(STACK, heads=(4, 0), ffn=(20, 24), max_positions=64)
DECODER = replace(
    ENCODER,
    dim=12,
    heads=(3, 1),
    cross_heads=(2, 3),
    ffn=(20, 0),
    pre_norm=True,
    final_norm=True,
    activation="gelu",
    embedding_scale=math.sqrt(12),
    embedding_norm=True,
    positions="learned",
    max_positions=30,
)
TIED = {"decoder.output_projection.weight": "decoder.embed_tokens.weight"}


def small_model(seed: int = 0, joined: bool = False) -> CompactModel:
    """Two layers per stack, the decoder's embedding tied to the output projection."""
    random = np.random.default_rng(seed)
    target = symbols("t", 33)
    source = target if joined else symbols("s", 40)
    architecture = Architecture(ENCODER, DECODER)
    weights: dict[str, StoredTensor] = {}
    for number, (name, shape) in enumerate(layout(architecture, len(source), len(target)).items()):
        if name not in TIED:
            weights[name] = _matrix(random, shape, number) if len(shape) == 2 else vector(random, shape)
    return CompactModel(
        architecture,
        weights,
        TIED,
        source,
        target,
        {"source_lang": "en", "target_lang": "de", "bpe": "sentencepiece"},
        bytes(random.integers(0, 256, 300, np.uint8)),
        {"num_updates": 7},
        {"encoder.version": np.array([3.0], np.float32), "quantization_version_1.activation_bits": np.array(8)},
        _shortlist(random, len(source), len(target)),
    )


def _shortlist(random: np.random.Generator, source: int, target: int) -> Shortlist:
    lists = [random.integers(4, target, random.integers(0, 6)).tolist() for _ in range(source)]
    return from_lists(random.integers(4, target, 3).tolist(), lists, target)


def symbols(letter: str, size: int) -> tuple[str, ...]:
    """A dictionary."""
    return (*SPECIAL, *(f"{letter}é{number}" for number in range(size - len(SPECIAL))))


def vector(random: np.random.Generator, shape: tuple[int, ...]) -> KeptValues:
    """Normal float32."""
    return KeptValues.of(random.standard_normal(shape).astype(np.float32))


def _matrix(random: np.random.Generator, shape: tuple[int, ...], number: int) -> KeptValues:
    """Kinds of masks and of values by turns."""
    keep = (1.0, 0.5, 0.05)[number % 3]
    mask = random.random(shape) < keep
    if number % 4 == 3:
        mask = (random.random((shape[0] // 4 + 1, shape[1])) < keep).repeat(4, axis=0)[: shape[0]]
    array = np.where(mask, random.standard_normal(shape), 0).astype(np.float32)
    if number % 5 == 1:
        return KeptValues.of(array.astype(np.float16), mask)
    if number % 5 == 2:
        codes = KeptValues.of(array, mask)
        values = random.integers(-128, 128, codes.kept).astype(np.int8)
        zeros = (values == 0) & (random.random(codes.kept) < 0.5)
        return KeptValues(shape, codes.mask, values, random.random(shape[0]).astype(np.float32), zeros)
    return KeptValues.of(array, mask)


def assert_same(one: CompactModel, other: CompactModel) -> None:
    """Asserts that two models are equal, weights bit for bit."""
    for field in ("architecture", "source", "target", "sentencepiece"):
        assert getattr(one, field) == getattr(other, field)
    for field in ("aliases", "text", "provenance"):
        assert dict(getattr(one, field)) == dict(getattr(other, field))
    assert one.weights.keys() == other.weights.keys()
    for name, weight in one.weights.items():
        assert_same_bits(weight.dense(), other.weights[name].dense())
        assert weight.kept == other.weights[name].kept
    assert_same_shortlist(one.shortlist, other.shortlist)
    assert one.extras.keys() == other.extras.keys()
    for name, array in one.extras.items():
        assert (array.dtype, array.shape) == (other.extras[name].dtype, other.extras[name].shape)
        np.testing.assert_array_equal(array, other.extras[name])


def assert_same_shortlist(one: Shortlist | None, other: Shortlist | None) -> None:
    """Asserts that two shortlists are equal."""
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert one.size == other.size
        for field in ("frequent", "starts", "candidates"):
            mine, theirs = getattr(one, field), getattr(other, field)
            assert mine.dtype == theirs.dtype
            np.testing.assert_array_equal(mine, theirs)


def assert_same_bits(one: np.ndarray, other: np.ndarray) -> None:
    """Asserts that two float32 arrays are equal, signs of zeros and NaN included."""
    assert one.dtype == other.dtype == np.float32
    np.testing.assert_array_equal(one.view(np.uint32), other.view(np.uint32))
