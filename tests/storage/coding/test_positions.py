import itertools

import numpy as np
import pytest

from nmt_prune.storage.coding import positions
from nmt_prune.storage.coding.positions import bitmask, gaps
from nmt_prune.storage.coding.positions.blocks import expand, reduce
from nmt_prune.storage.coding.streams import DamagedError, StreamReader, StreamWriter

SHAPES = [(1,), (7,), (300,), (1, 1), (1, 40), (40, 1), (8, 8), (13, 17), (32, 48)]


def pack(mask):
    writer = StreamWriter()
    return positions.encode(mask.reshape(-1), mask.shape, writer), writer


def unpack(record, writer, shape):
    reader = StreamReader(writer.join(), writer.lengths)
    found = positions.decode(record, shape, reader)
    reader.finish()
    return found


def size(mask):
    return len(pack(mask)[1].join())


@pytest.mark.parametrize("shape", SHAPES)
def test_masks_come_back(shape):
    random = np.random.default_rng(1)
    for density, _ in itertools.product([0, 0.001, 0.03, 0.3, 0.7, 0.99, 1], range(10)):
        mask = random.random(shape) < density
        np.testing.assert_array_equal(unpack(*pack(mask), shape).reshape(shape), mask)
        one = np.zeros(shape, bool)
        one.reshape(-1)[random.integers(one.size)] = True
        np.testing.assert_array_equal(unpack(*pack(one), shape).reshape(shape), one)


@pytest.mark.parametrize("form", [bitmask, gaps])
def test_each_form_keeps_every_mask(form):
    random = np.random.default_rng(1)
    long_gaps = np.zeros(3000, bool)
    long_gaps[[254, 255, 256, 511, 1022, 1023, 2999]] = True
    masks = [long_gaps, ~long_gaps, np.zeros(600, bool), np.ones(9, bool)]
    for mask in (*masks, *(random.random(500) < density for density in (0.002, 0.01, 0.5, 0.98))):
        writer = StreamWriter()
        record = form.encode(mask, writer)
        found = form.decode(record, mask.size, StreamReader(writer.join(), writer.lengths))
        np.testing.assert_array_equal(found, mask)


@pytest.mark.parametrize("density", [0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.05, 0.02])
def test_random_masks_come_within_two_per_cent_of_their_entropy(density):
    mask = np.random.default_rng(1).random((1000, 1000)) < density
    entropy = -(density * np.log2(density) + (1 - density) * np.log2(1 - density))
    assert 8 * size(mask) / mask.size < 1.02 * entropy


@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (2, 8), (4, 8)])
def test_masks_of_n_of_m_come_within_two_per_cent_of_their_entropy(n, m):
    random = np.random.default_rng(1)
    patterns = [[column in chosen for column in range(m)] for chosen in itertools.combinations(range(m), n)]
    mask = np.array(patterns)[random.integers(0, len(patterns), 100_000)].reshape(1000, -1)
    assert 8 * size(mask) / mask.size < 1.02 * np.log2(len(patterns)) / m


@pytest.mark.parametrize("block", [(4, 1), (1, 16), (8, 8), (3, 5), (64, 240)])
def test_blocks_are_found(block):
    small = np.random.default_rng(1).random((192 // block[0], 240 // block[1])) < 0.3
    small.reshape(-1)[:2] = True, False  # not constant
    mask = small.repeat(block[0], axis=0).repeat(block[1], axis=1)
    found, reduced = reduce(mask.reshape(-1), mask.shape)
    assert (found[0] % block[0], found[1] % block[1]) == (0, 0)
    np.testing.assert_array_equal(expand(reduced, mask.shape, found).reshape(mask.shape), mask)
    assert size(mask) <= -(-small.size // 8)


def test_a_mask_without_blocks_has_none():
    mask = np.random.default_rng(1).random((64, 64)) < 0.5
    assert reduce(mask.reshape(-1), mask.shape)[0] == (1, 1)


BAD = {
    "form": ({"form": "golomb"}, "form"),
    "block": ({"block": [3, 1]}, "do not fit"),
    "no numbers": ({"block": ["a", 1]}, "block"),
    "zero": ({"block": [0, 1]}, "block"),
    "one number": ({"block": [1]}, "block"),
    "few gaps": ({"gaps": 3}, "stream"),
    "many gaps": ({"gaps": 10**12}, "gaps"),
    "negative": ({"gaps": -1}, "gaps"),
}


@pytest.mark.parametrize("name", BAD)
def test_impossible_records(name):
    changes, message = BAD[name]
    mask = np.random.default_rng(1).random((64, 65)) < 0.03
    record, writer = pack(mask)
    assert record["form"] == "gaps"
    with pytest.raises(DamagedError, match=message):
        unpack({**record, **changes}, writer, mask.shape)


def test_an_element_outside_is_refused():
    writer = StreamWriter()
    writer.put(bytes([10, 5]))
    with pytest.raises(DamagedError, match="outside"):
        gaps.decode({"gaps": 2}, 16, StreamReader(writer.join(), writer.lengths))
    assert gaps.decode({"gaps": 2}, 17, StreamReader(writer.join(), writer.lengths))[16]
