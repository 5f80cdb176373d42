import numpy as np
import pytest

from nmt_prune.storage.coding import values
from nmt_prune.storage.coding.streams import DamagedError, StreamReader, StreamWriter

SPECIAL = [0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf, 1e-45, -6e-8, 65504, 1.0]


def pack(array):
    writer = StreamWriter()
    return values.encode(array, writer), writer


def unpack(record, writer, kept):
    reader = StreamReader(writer.join(), writer.lengths)
    found = values.decode(record, kept, reader)
    reader.finish()
    return found


def samples(random, dtype):
    """Arrays of 0 to 60 numbers of many kinds."""
    size = random.integers(0, 60)
    unsigned = f"u{np.dtype(dtype).itemsize}"
    normal = random.standard_normal(size)
    yield normal.astype(dtype)
    yield (normal * 10.0 ** random.integers(-45, 38)).astype(dtype)
    yield np.abs(normal).astype(dtype)
    yield random.integers(0, np.iinfo(unsigned).max, size, unsigned, endpoint=True).view(dtype)
    yield random.choice(np.array(SPECIAL), size).astype(dtype)
    yield np.where(random.random(size) < 0.1, 0, normal).astype(dtype)
    yield np.where(random.random(size) < 0.01, 1e30, normal).astype(dtype)
    yield np.sign(normal).astype(dtype) * dtype(0.37)
    yield normal.astype(np.float16).astype(dtype)
    yield (normal.astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32).astype(dtype)


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_every_number_comes_back_bit_for_bit(dtype):
    random = np.random.default_rng(1)
    for _ in range(200):
        for array in samples(random, dtype):
            found = unpack(*pack(array), array.size)
            assert found.dtype == array.dtype
            assert found.tobytes() == array.tobytes()


def test_every_half_comes_back():
    array = np.arange(2**16, dtype=np.uint16).view(np.float16)
    assert unpack(*pack(array), array.size).tobytes() == array.tobytes()


def test_every_int8_comes_back():
    array = np.arange(256, dtype=np.uint8).view(np.int8).repeat(3)
    assert unpack(*pack(array), array.size).tobytes() == array.tobytes()


def test_few_levels_come_back():
    random = np.random.default_rng(1)
    for levels in range(1, 20):
        values = random.choice(256, levels, replace=False).astype(np.uint8).view(np.int8)
        for size in (0, 1, 2, 7, 8, 9, 50):
            array = random.choice(values, size)
            assert unpack(*pack(array), size).tobytes() == array.tobytes()


@pytest.mark.parametrize("levels", [[], [1, 200], [1, "2"], list(range(17)), None])
def test_impossible_levels(levels):
    record, writer = pack(np.random.default_rng(1).choice([-1, 0, 1], 50).astype(np.int8))
    with pytest.raises(DamagedError, match="levels"):
        unpack({**record, "levels": levels}, writer, 50)


def test_a_level_that_does_not_exist():
    writer = StreamWriter()
    writer.put(bytes([3**5]))
    with pytest.raises(DamagedError, match="does not exist"):
        unpack({"type": "int8", "levels": [-1, 0, 1]}, writer, 5)


def tail(sparsity, size=200_000):
    """What a magnitude mask leaves of normal weights."""
    normal = (np.random.default_rng(1).standard_normal(size) * 0.04).astype(np.float32)
    return normal[np.abs(normal) >= np.quantile(np.abs(normal), sparsity)]


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 0.98])
def test_normal_weights_come_within_one_per_cent_of_their_entropy(sparsity):
    weights = tail(sparsity)
    # The entropy of 12 leading bits, enough for it to be that of the density, and one bit for each of the others.
    leading = np.unique(weights.view(np.uint32) << 1 >> 19, return_counts=True)[1] / weights.size
    bits = 19 - (leading * np.log2(leading)).sum()
    stored = 8 * len(pack(weights)[1].join()) / weights.size
    # Counted in few values the entropy is too low: each of the bins has about half a bit too little to share.
    assert stored < 1.01 * bits + leading.size / weights.size


@pytest.mark.parametrize(
    ("array", "bits"),
    [
        (np.full(80_000, 0.37, np.float32), 0.02),
        (np.random.default_rng(1).choice([-0.37, 0.37], 80_000).astype(np.float32), 1.02),
        (np.random.default_rng(1).choice([-1, 1], 80_000).astype(np.int8), 1.01),
        (np.random.default_rng(1).choice([-1, 0, 1], 80_000).astype(np.int8), 1.01 * np.log2(3)),
        (np.random.default_rng(1).choice(16, 80_000).astype(np.int8), 4.01),
        ((tail(0.0).view(np.uint32) & 0xFFFF0000).view(np.float32), 10.6),  # bfloat16
    ],
)
def test_what_is_regular_is_small(array, bits):
    assert 8 * len(pack(array)[1].join()) / array.size < bits


def test_a_few_numbers_of_other_sizes_cost_little():
    weights = tail(0.5)
    alone = len(pack(weights)[1].join())
    weights[[5, 70, 900]] = 0.0, np.inf, 1e-30
    assert len(pack(weights)[1].join()) < alone + 200


BAD = {
    "type": ({"type": "float64"}, "type"),
    "no type": ({"type": None}, "type"),
    "trailing": ({"trailing": 24}, "trailing"),
    "shift": ({"shift": 24}, "shift"),
    "both": ({"trailing": 20, "shift": 10}, "shift"),
    "negative": ({"shift": -1}, "shift"),
    "large base": ({"base": 2**40}, "base"),
    "base above the type": ({"base": 2**14 - 1}, "outside"),
    "escapes": ({"escapes": 1}, "stream"),
    "bool": ({"trailing": True}, "trailing"),
}


@pytest.mark.parametrize("name", BAD)
def test_impossible_records(name):
    changes, message = BAD[name]
    record, writer = pack(tail(0.9))
    with pytest.raises(DamagedError, match=message):
        unpack({**record, **changes}, writer, tail(0.9).size)


def test_another_number_of_values_is_refused():
    record, writer = pack(tail(0.9))
    with pytest.raises(DamagedError):
        unpack(record, writer, tail(0.9).size + 1)
