"""Whole tensors, and the streams that they consist of."""

import numpy as np
import pytest
import zstandard

from nmt_prune.storage.coding.streams import DamagedError, StreamReader, StreamWriter
from nmt_prune.storage.format.encoding import decode, encode
from nmt_prune.storage.model.grids import narrowed
from nmt_prune.storage.model.kept_values import KeptValues
from nmt_prune.storage.model.precision import converted
from tests.storage.models import assert_same_bits


def tensors(random):
    """Random arrays and masks, exact zeros and -0.0 among what is kept."""
    for _ in range(300):
        shape = tuple(random.integers(1, 30, random.integers(1, 3)))
        array = random.standard_normal(shape).astype(np.float32)
        array[random.random(shape) < 0.1] = random.choice([0.0, -0.0])
        mask = random.random(shape) < random.choice([0, 0.01, 0.1, 0.5, 0.9, 1])
        if random.random() < 0.3:
            mask[random.integers(shape[0])] = False  # a row without weights
        array[~mask] = 0
        yield array, mask


def test_tensors_come_back_bit_for_bit():
    for array, mask in tensors(np.random.default_rng(1)):
        for tensor, expected in ((KeptValues.of(array, mask), array), (KeptValues.of(array), array + np.float32(0))):
            found = decode(*encode(tensor))
            assert_same_bits(found.dense(), expected)
            assert found.kept == tensor.kept
            assert (found.mask is None) == (tensor.mask is None)
            assert tensor.mask is None or (found.mask == tensor.mask).all()
        assert KeptValues.of(array, mask).kept == mask.sum()
        assert KeptValues.of(array).kept == (array != 0).sum()


@pytest.mark.parametrize("values", ["float32", "float16", "bfloat16", "int8", "auto"])
def test_every_type_comes_back(values):
    for array, mask in tensors(np.random.default_rng(2)):
        tensor = converted("w", narrowed(KeptValues.of(array, mask)), values)
        found = decode(*encode(tensor))
        assert found.values.tobytes() == tensor.values.tobytes()
        assert_same_bits(found.dense(), tensor.dense())


def test_rows_are_those_of_the_dense_matrix():
    for array, mask in tensors(np.random.default_rng(3)):
        if array.ndim != 2:
            continue
        for values in ("float32", "int8"):
            tensor = converted("w", KeptValues.of(array, mask), values)
            starts, columns, kept, scales = decode(*encode(tensor)).csr()
            dense = np.zeros(array.shape, np.float32)
            for row in range(len(starts) - 1):
                where = slice(starts[row], starts[row + 1])
                assert (np.diff(columns[where].astype(int)) > 0).all()
                dense[row, columns[where]] = kept[where] if scales is None else kept[where] * scales[row]
            np.testing.assert_array_equal(dense, tensor.dense())
            assert (starts.dtype, columns.dtype, starts[-1]) == (np.int64, np.uint32, mask.sum())


def small():
    random = np.random.default_rng(1)
    tensor = KeptValues.of(random.standard_normal((30, 40)).astype(np.float32), random.random((30, 40)) < 0.5)
    return encode(converted("w", tensor, "int8"))


FLOATS = {"trailing": 0, "shift": 23, "base": 0, "escapes": 0}
BAD = {
    "no shape": ({"shape": None}, "shape"),
    "scalar": ({"shape": []}, "shape"),
    "cube": ({"shape": [10, 10, 12]}, "shape"),
    "huge": ({"shape": [2**39, 2**39]}, "shape"),
    "transposed": ({"shape": [40, 30]}, "stream|size"),
    "more kept": ({"kept": 1201}, "kept"),
    "fewer kept": ({"kept": 3}, "kept"),
    "all kept": ({"kept": 1200}, "kept"),
    "no values": ({"values": 5}, "values"),
    "float with scales": ({"values": {**FLOATS, "type": "float32"}}, "scales|stream"),
    "scales that are whole numbers": ({"scales": {"type": "int8"}}, "stream|scales"),
    "streams": ({"streams": None}, "streams"),
    "negative stream": ({"streams": [-1, 1]}, "streams"),
    "negative zeros": ({"negative_zeros": 500}, "negative zeros"),
}


@pytest.mark.parametrize("name", BAD)
def test_impossible_records(name):
    changes, message = BAD[name]
    record, data = small()
    with pytest.raises(DamagedError, match=message):
        decode({**record, **changes}, data)


def test_missing_and_left_over_streams():
    record, data = small()
    lengths = record["streams"]
    with pytest.raises(DamagedError, match="too many"):
        decode({**record, "streams": [*lengths, 3]}, data + b"abc")
    with pytest.raises(DamagedError, match="too few"):
        decode({**record, "streams": lengths[:-1]}, data[: -lengths[-1]])
    without = {key: value for key, value in record.items() if key != "scales"}
    with pytest.raises(DamagedError, match="scales"):
        decode(without, data)


def frame(data, **settings):
    return zstandard.ZstdCompressor(level=3, **settings).compress(data)


STREAMS = {
    "bomb": frame(bytes(10**8)),
    "short": frame(bytes(999)),
    "no size": frame(bytes(1000), write_content_size=False),
    "behind it": frame(bytes(1000)) + b"x",
    "cut": frame(np.random.default_rng(1).integers(0, 9, 1000).astype(np.uint8).tobytes())[:-5],
    "noise": b"noise",
    "nothing": b"",
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_of_another_size_is_never_unpacked(name):
    data = STREAMS[name]
    with pytest.raises(DamagedError, match="stream"):
        StreamReader(data, [len(data)]).take(1000)


def test_streams_are_stored_as_they_are_where_that_is_smaller():
    writer = StreamWriter()
    noise = np.random.default_rng(1).bytes(1000)
    writer.put(noise)
    writer.put(bytes(1000))
    writer.put(b"")
    assert writer.lengths[0] == 1000
    assert writer.lengths[1] < 30
    reader = StreamReader(writer.join(), writer.lengths)
    assert [reader.take(1000), reader.take(1000), reader.take(0)] == [noise, bytes(1000), b""]
