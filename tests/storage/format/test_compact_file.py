"""Compact files, whole ones and those that somebody made up."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from nmt_prune.errors import PruneError
from nmt_prune.kinds import MODEL
from nmt_prune.storage.coding.streams import compress, decompress_up_to
from nmt_prune.storage.format.compact_file import FORMAT, _digest, load_compact, save_compact
from nmt_prune.storage.format.header import Header
from nmt_prune.storage.format.text_facts import TYPES
from tests.storage.models import assert_same, small_model


@pytest.fixture
def path(tmp_path):
    save_compact(small_model(), tmp_path / "model.nmt")
    return tmp_path / "model.nmt"


def tensors(path):
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)


def write(path, found, **facts):
    """A file of tensors with the right digest, unless another one is given."""
    save_file(found, path, metadata={MODEL: json.dumps({"format": FORMAT, "digest": _digest(found), **facts})})


def change_header(path, change):
    found = tensors(path)
    header = json.loads(decompress_up_to(found["header"].tobytes(), 10**6))
    change(header)
    write(path, {**found, "header": np.frombuffer(compress(json.dumps(header).encode()), np.uint8)})


def refused(path):
    """The message with which a file is refused when all of it is read."""
    with pytest.raises(PruneError) as error:
        [weight.dense() for weight in load_compact(path).weights.values()]
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("seed", range(5))
def test_a_model_comes_back(tmp_path, seed):
    save_compact(small_model(seed), tmp_path / "model.nmt")
    assert_same(small_model(seed), load_compact(tmp_path / "model.nmt"))


def test_equal_models_are_equal_files(path, tmp_path):
    save_compact(small_model(), tmp_path / "again.nmt")
    save_compact(load_compact(path), tmp_path / "loaded.nmt")
    assert path.read_bytes() == (tmp_path / "again.nmt").read_bytes() == (tmp_path / "loaded.nmt").read_bytes()


def test_a_joined_dictionary_is_stored_once(tmp_path):
    model = small_model(joined=True)
    save_compact(model, tmp_path / "model.nmt")
    assert "target" not in tensors(tmp_path / "model.nmt")
    assert_same(model, load_compact(tmp_path / "model.nmt"))


def test_a_model_without_a_shortlist(tmp_path):
    model = replace(small_model(), shortlist=None)
    save_compact(model, tmp_path / "model.nmt")
    assert "shortlist" not in tensors(tmp_path / "model.nmt")
    assert_same(model, load_compact(tmp_path / "model.nmt"))


def numbers(*values):
    coded = np.array(values, "<u4").view(np.uint8).reshape(-1, 4).T.tobytes()
    return np.frombuffer(compress(coded), np.uint8)


@pytest.mark.parametrize(
    ("shortlist", "message"),
    [
        (numbers(*[0] * 40), "a shortlist of another length than its dictionary"),
        (np.frombuffer(compress(b"12345"), np.uint8), "a shortlist of another length than its dictionary"),
        (numbers(2, *[0] * 40, 5), "a shortlist whose words do not ascend"),
        (numbers(2, *[0] * 40, 5, 0), "a shortlist whose words do not ascend"),
        (numbers(2, *[0] * 40, 5, 2**32 - 1), "a shortlist whose words do not ascend"),
        (numbers(2**32 - 1, *[0] * 40, 5), "a shortlist whose words do not ascend"),
        (numbers(2, *[0] * 40, 30, 4), "a shortlist with words that the dictionary lacks"),
        (np.zeros(4, np.uint8), "a stream that does not unpack"),
        (np.zeros(4, np.float32), "shortlist is missing or of the wrong type"),
    ],
)
def test_a_shortlist_that_cannot_be(path, shortlist, message):
    write(path, {**tensors(path), "shortlist": shortlist})
    assert message in refused(path)


def test_a_foreign_file(tmp_path):
    for content in (b"PK\x03\x04" + bytes(100), bytes(1000), b"\xff" * 100):
        (tmp_path / "x.nmt").write_bytes(content)
        assert "is not a compact model, or truncated; write one with nmt-prune pack" in refused(tmp_path / "x.nmt")
    for content, kind in ((b"", "empty"), (b"one two three", "a text"), (pickle.dumps([1]), "a checkpoint")):
        (tmp_path / "x.nmt").write_bytes(content)
        assert f"x.nmt is {kind}, not a compact model; write one with nmt-prune pack" in refused(tmp_path / "x.nmt")
    save_file({"w": np.zeros(3)}, tmp_path / "x.nmt")
    assert "is a safetensors file of another program, not a compact model" in refused(tmp_path / "x.nmt")
    for text in ("[]", "5", "null"):
        save_file({"w": np.zeros(3)}, tmp_path / "x.nmt", metadata={MODEL: text})
        assert "is a safetensors file without a model" in refused(tmp_path / "x.nmt")
    for text in ("{", "[" * 100_000):
        save_file({"w": np.zeros(3)}, tmp_path / "x.nmt", metadata={MODEL: text})
        assert "is not a compact model" in refused(tmp_path / "x.nmt")


def test_a_missing_file(tmp_path):
    assert "none.nmt does not exist; write one with nmt-prune pack" in refused(tmp_path / "none.nmt")
    assert "is a folder, not a compact model" in refused(tmp_path)


@pytest.mark.parametrize("length", [0, 7, 100, 3000, -1])
def test_a_truncated_file(path, length):
    path.write_bytes(path.read_bytes()[:length])
    assert ("is empty, not a" if length == 0 else "is not a compact model, or truncated") in refused(path)


@pytest.mark.parametrize("number", [2, 0, "1", None, 10**50])
def test_a_newer_format(path, number):
    write(path, tensors(path), format=number)
    assert f"has format {str(number)[:20]}, this version reads 1; update nmt-prune" in refused(path)


def test_a_changed_byte(path):
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(bytes(data))
    assert "its digest is not that of its contents" in refused(path)
    write(path, tensors(path), digest=None)
    assert "its digest is not that of its contents" in refused(path)


def test_nothing_is_written_where_it_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PruneError, match="cannot write"):
        save_compact(small_model(), tmp_path / "file" / "model.nmt")


MATRIX = "encoder.layers.0.fc1.weight"


def put(*keys_and_value):
    """A change of one place in the header."""
    *keys, last, value = keys_and_value

    def change(header):
        for key in keys:
            header = header[key]
        header[last] = value

    return change


def drop(*keys):
    def change(header):
        for key in keys[:-1]:
            header = header[key]
        del header[keys[-1]]

    return change


HEADERS = {
    "no architecture": (drop("architecture"), "architecture"),
    "no decoder": (drop("architecture", "decoder"), "decoder"),
    "text for a number": (put("architecture", "encoder", "dim", "16"), "dim 16"),
    "fraction": (put("architecture", "encoder", "dim", 16.0), "dim"),
    "truth for a number": (put("architecture", "encoder", "dim", True), "dim True"),
    "negative": (put("architecture", "encoder", "heads", [4, -1]), "heads -1"),
    "overflow": (put("architecture", "encoder", "dim", 2**63), "dim"),
    "bomb": (put("architecture", "encoder", "dim", 2**30), "cannot hold so many weights"),
    "wide": (put("architecture", "encoder", "ffn", [20, 2**35]), "cannot hold so many weights"),
    "long": (put("architecture", "encoder", "max_positions", 2**35), "cannot hold so many weights"),
    "many symbols": (put("symbols", [2**30, 33]), "symbols"),
    "deep": (put("architecture", "encoder", {"heads": [0] * 9999, "ffn": [0] * 9999, "cross_heads": []}), "of layers"),
    "layers": (put("architecture", "encoder", "ffn", [20]), "numbers of layers"),
    "no layers": (put("architecture", "encoder", {"heads": [], "ffn": [], "cross_heads": []}), "numbers of layers"),
    "cross-attention": (put("architecture", "encoder", "cross_heads", [1, 1]), "numbers of layers"),
    "another head": (put("architecture", "encoder", "heads", [3, 0]), "shape of a tensor"),
    "another layer": (put("architecture", "encoder", "heads", [4, 1]), "matrices are not those"),
    "activation": (put("architecture", "encoder", "activation", "tanh"), "activation tanh"),
    "positions": (put("architecture", "encoder", "positions", ["none"]), "positions"),
    "norm": (put("architecture", "encoder", "pre_norm", 1), "pre_norm"),
    "scale": (put("architecture", "encoder", "embedding_scale", float("inf")), "embedding_scale"),
    "symbols": (put("symbols", [40]), "symbols"),
    "no symbols": (put("symbols", [0, 33]), "symbols"),
    "aliases": (put("aliases", []), "aliases"),
    "foreign alias": (put("aliases", "x", MATRIX), "alias x"),
    "alias of another shape": (put("aliases", "decoder.layers.0.fc1.weight", MATRIX), "alias"),
    "alias of itself": (put("aliases", MATRIX, MATRIX), "alias"),
    "alias of a list": (put("aliases", MATRIX, []), "alias"),
    "no matrices": (put("matrices", {}), "matrices are not those"),
    "missing matrix": (drop("matrices", MATRIX), "matrices are not those"),
    "additional matrix": (put("matrices", "x", {}), "matrices are not those"),
    "matrix": (put("matrices", MATRIX, 3), MATRIX),
    "shape": (put("matrices", MATRIX, "shape", [16, 20]), "shape of a tensor"),
    "kept": (put("matrices", MATRIX, "kept", 321), "kept 321"),
    "streams": (put("matrices", MATRIX, "streams", [3]), "streams"),
    "vectors": (put("vectors", "shape", [5]), "shape of a tensor"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_cannot_be_true(path, name):
    change, message = HEADERS[name]
    change_header(path, change)
    found = refused(path)
    assert "is damaged" in found
    assert message in found


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"9" * 5000, b'{"a":' * 9000])
def test_a_header_that_is_no_object(path, text):
    write(path, {**tensors(path), "header": np.frombuffer(compress(text), np.uint8)})
    assert "is damaged: its header is not" in refused(path)


BOMB = np.frombuffer(compress(bytes(10**8)), np.uint8)
TENSORS = {
    "header bomb": ("header", BOMB, "a text that a file of its size cannot hold"),
    "dictionary bomb": ("source", BOMB, "a text that a file of its size cannot hold"),
    "matrix bomb": (MATRIX, BOMB, "streams"),
    "dictionary that is no text": ("source", np.frombuffer(compress(b"\xff\xfe"), np.uint8), "not UTF-8"),
    "other symbols": ("source", np.frombuffer(compress(b"a\nb"), np.uint8), "source dictionary"),
    "noise": ("sentencepiece", np.arange(9, dtype=np.uint8), "a stream that does not unpack"),
    "other type": ("vectors", np.zeros(9, np.float32), "vectors is missing or of the wrong type"),
    "other rank": (MATRIX, np.zeros((3, 3), np.uint8), "is missing or of the wrong type"),
}


@pytest.mark.parametrize("name", TENSORS)
def test_a_tensor_that_cannot_be_true(path, name):
    tensor, value, message = TENSORS[name]
    write(path, {**tensors(path), tensor: value})
    assert message in refused(path)


@pytest.mark.parametrize("tensor", ["header", "source", "vectors", MATRIX])
def test_a_missing_tensor(path, tensor):
    found = tensors(path)
    del found[tensor]
    write(path, found)
    assert "is missing or of the wrong type" in refused(path)


def test_the_message_names_the_damaged_matrix(path):
    found = tensors(path)
    found[MATRIX] = found[MATRIX][:-1]
    write(path, found)
    assert f"{path}: {MATRIX} is damaged" in refused(path)


OF_EACH_TYPE = (True, 5, 0.5, "x", [], {}, None)
HEADER = Header.of(small_model(), {}, {}).to_json()
PLACES = [
    *((key,) for key in json.loads(HEADER)),
    *(("architecture", side) for side in ("encoder", "decoder")),
    *(("architecture", "decoder", key) for key in json.loads(HEADER)["architecture"]["decoder"]),
    *(("matrices", MATRIX, key) for key in ("shape", "kept", "mask", "values", "streams")),
    *(("vectors", key) for key in ("shape", "kept", "values", "streams")),
    *(("text", key) for key in TYPES),
]


@pytest.mark.parametrize("place", PLACES, ids=".".join)
def test_every_field_with_every_wrong_type(path, place):
    found = tensors(path)
    header = json.loads(decompress_up_to(found["header"].tobytes(), 10**6))
    inner = header
    for key in place[:-1]:
        inner = inner[key]
    right = TYPES[place[-1]] if place[0] == "text" and len(place) == 2 else (type(inner[place[-1]]),)
    for odd in OF_EACH_TYPE:
        if type(odd) not in right:
            inner[place[-1]] = odd
            write(path, {**found, "header": np.frombuffer(compress(json.dumps(header).encode()), np.uint8)})
            assert "is damaged" in refused(path), odd
