"""A second reader, written from FORMAT.md alone: one number after the other, no code of the package."""

import hashlib
import json
import struct
from math import prod

import numpy as np
import pytest
import zstandard

from nmt_prune.storage.format.compact_file import save_compact
from tests.storage.models import small_model


class Streams:
    """The streams of a tensor."""

    def __init__(self, data, lengths):
        self.data, self.lengths = data, list(lengths)

    def next(self, size):
        length = self.lengths.pop(0)
        part, self.data = self.data[:length], self.data[length:]
        return part if length == size else zstandard.ZstdDecompressor().decompress(part)


def bit(stream, index):
    return stream[index // 8] >> (7 - index % 8) & 1


def read_mask(record, shape, streams):
    rows, columns = record.get("block", (1, 1))
    elements = prod(shape) // (rows * columns)
    if record["form"] == "bitmask":
        stream = streams.next(-(-elements // 8))
        flat = [bit(stream, index) for index in range(elements)]
    else:
        flat = []
        for byte in streams.next(record["gaps"]):
            flat += [0] * byte + ([1] if byte < 255 else [])
        flat += [0] * (elements - len(flat))
    width = shape[-1] // columns
    return [
        flat[element // shape[-1] // rows * width + element % shape[-1] // columns] for element in range(prod(shape))
    ]


def read_values(record, count, streams):
    if record["type"] == "int8":
        return read_integers(record.get("levels"), count, streams)
    size, fraction, kind = (4, 23, "<If") if record["type"] == "float32" else (2, 10, "<He")
    assert record["trailing"] + record["shift"] <= fraction
    symbols = streams.next(count)
    escaped = list(struct.unpack(f"<{record['escapes']}{kind[1]}", streams.next(record["escapes"] * size)))
    signs = streams.next(-(-count // 8))
    whole_bytes = [streams.next(count) for _ in range(record["shift"] // 8)]
    single_bits = [streams.next(-(-count // 8)) for _ in range(record["shift"] % 8)]
    values = []
    for index, symbol in enumerate(symbols):
        remainder = sum(stream[index] << 8 * place for place, stream in enumerate(whole_bytes))
        above = sum(bit(stream, index) << place for place, stream in enumerate(single_bits))
        remainder += above << 8 * len(whole_bytes)
        number = (symbol + record["base"] - 1 << record["shift"]) + remainder if symbol else escaped.pop(0)
        number = number << record["trailing"] | bit(signs, index) << (8 * size - 1)
        values.append(struct.unpack(f"<{kind[2]}", struct.pack(f"<{kind[1]}", number))[0])
    return values


def read_integers(levels, count, streams):
    if levels is None:
        return list(struct.unpack(f"<{count}b", streams.next(count)))
    digits = max(n for n in range(1, 9) if len(levels) ** n <= 256)
    values = []
    for byte in streams.next(-(-count // digits)):
        values += [levels[byte // len(levels) ** place % len(levels)] for place in range(digits)]
    return values[:count]


def read_tensor(record, data):
    streams, shape = Streams(data, record["streams"]), record["shape"]
    mask = read_mask(record["mask"], shape, streams) if "mask" in record else [1] * prod(shape)
    assert sum(mask) == record["kept"]
    values = read_values(record["values"], record["kept"], streams)
    scales = read_values(record["scales"], shape[0], streams) if "scales" in record else None
    zeros = record.get("negative_zeros", 0)
    negative = streams.next(-(-zeros // 8)) if zeros else None
    dense, kept, zero = np.zeros(prod(shape), np.float32), iter(values), 0
    for element in np.flatnonzero(mask):
        value = next(kept)
        dense[element] = (
            np.float32(value) if scales is None else np.float32(value) * np.float32(scales[element // shape[1]])
        )
        if negative is not None and value == 0:
            dense[element] = -0.0 if bit(negative, zero) else 0.0
            zero += 1
    assert not streams.lengths
    assert not streams.data
    return dense.reshape(shape)


@pytest.mark.parametrize("seed", range(3))
def test_the_specification_is_enough_to_read_a_file(tmp_path, seed):
    model = small_model(seed)
    save_compact(model, tmp_path / "model.nmt")
    data = (tmp_path / "model.nmt").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    index, data = json.loads(data[8 : 8 + length]), data[8 + length :]
    facts = json.loads(index.pop("__metadata__")["nmt_prune_model"])
    parts = {name: data[slice(*entry["data_offsets"])] for name, entry in index.items()}
    names = {"U8": "uint8", "F32": "float32", "I64": "int64"}
    sha = hashlib.sha256(b"1\n")
    for name in sorted(parts):
        sha.update(f"{name} {names[index[name]['dtype']]} {index[name]['shape']}\n".encode() + parts[name])
    assert facts == {"format": 1, "digest": sha.hexdigest()}
    text = {name: zstandard.ZstdDecompressor().decompress(parts[name]) for name in ("header", "source", "target")}
    header = json.loads(text["header"])
    assert tuple(text["source"].decode().split("\n")) == model.source
    assert tuple(text["target"].decode().split("\n")) == model.target
    assert header["architecture"]["decoder"]["cross_heads"] == list(model.architecture.decoder.cross_heads)
    for name, record in header["matrices"].items():
        found, expected = read_tensor(record, parts[name]), model.weights[name].dense()
        assert found.tobytes() == expected.tobytes(), name
    coded = zstandard.ZstdDecompressor().decompress(parts["shortlist"])
    count = len(coded) // 4
    numbers = [sum(coded[place * count + index] << 8 * place for place in range(4)) for index in range(count)]
    lengths, rest, lists = numbers[: len(model.source) + 1], numbers[len(model.source) + 1 :], []
    for length in lengths:
        lists.append(np.cumsum(rest[:length]) - 1)
        rest = rest[length:]
    assert not rest
    assert lists[0].tolist() == model.shortlist.frequent.tolist()
    assert [found.tolist() for found in lists[1:]] == [
        model.shortlist.of(row).tolist() for row in range(len(lists) - 1)
    ]
    vectors = [weight.dense() for weight in model.weights.values() if len(weight.shape) == 1]
    assert read_tensor(header["vectors"], parts["vectors"]).tobytes() == np.concatenate(vectors).tobytes()
    assert set(header["matrices"]) | {"vectors", *text, "sentencepiece", "shortlist"} == {
        n for n in parts if not n.startswith("extra:")
    }
