"""The user's own files, and everything that can be wrong with them."""

import bz2
import gzip
import lzma
from pathlib import Path

import pytest
import zstandard

from data_prep.corpora import choose
from data_prep.data_folder import prepare
from data_prep.download.fetching import Fetching
from data_prep.preparation import Preparation
from nmt_prune.errors import PruneError
from nmt_prune.files import read_json
from nmt_prune.text.plain_text import SUFFIXES


def write(folder: Path, part: str, english: bytes, german: bytes) -> str:
    (folder / f"{part}.en").write_bytes(english)
    (folder / f"{part}.de").write_bytes(german)
    return str(folder / part)


@pytest.fixture
def prefixes(tmp_path):
    return {part: write(tmp_path, part, b"one\ntwo\n", b"eins\nzwei\n") for part in ("train", "valid", "test")}


def make(folder, prefixes, **settings):
    corpus = choose("plain", **prefixes)
    preparation = Preparation.of(corpus, **{"vocab_size": 16, **settings})
    prepare(corpus, preparation, folder / "out", fetching=Fetching(folder / "cache", lambda line: None))
    return folder / "out"


def cleaned(folder, language):
    (file,) = folder.glob(f"cache/work/plain.*/clean/train.{language}")
    return file.read_text(encoding="utf-8").split("\n")[:-1]


def test_pairs_are_kept_in_order_and_only_training_loses_empty_ones(tmp_path, prefixes):
    write(tmp_path, "train", b"one\n\nthree", b"eins\nzwei\ndrei\n")
    write(tmp_path, "test", b"one\n\n", b"eins\nzwei\n")
    out = make(tmp_path, prefixes)
    assert (cleaned(tmp_path, "en"), cleaned(tmp_path, "de")) == (["one", "three"], ["eins", "drei"])
    assert (out / "raw/test.en").read_text() == "one\n\n"
    assert (out / "raw/test.de").read_text() == "eins\nzwei\n"


def test_odd_line_separators_inside_a_line_do_not_break_it(tmp_path, prefixes):
    write(tmp_path, "train", "\ufeffone\u2028two\x0cthree\r\nfour\r\n".encode(), b"eins\nvier\n")
    make(tmp_path, prefixes, vocab_size=18)
    assert cleaned(tmp_path, "en") == ["one two three", "four"]


def test_a_missing_prefix_names_the_flag(tmp_path, prefixes):
    del prefixes["valid"]
    with pytest.raises(PruneError, match="needs --valid PREFIX"):
        make(tmp_path, prefixes)


def test_a_missing_file_is_named(tmp_path, prefixes):
    (tmp_path / "test.de").unlink()
    with pytest.raises(PruneError, match=r"test\.de does not exist"):
        make(tmp_path, prefixes)


@pytest.mark.parametrize(("part", "content"), [("train", b""), ("valid", b""), ("test", b"\n\n")])
def test_an_empty_file_is_named(tmp_path, prefixes, part, content):
    write(tmp_path, part, content, content)
    with pytest.raises(PruneError, match=rf"{part}\.en is empty"):
        make(tmp_path, prefixes)


@pytest.mark.parametrize("part", ["train", "valid"])
def test_unequal_files_are_named_with_their_counts(tmp_path, prefixes, part):
    (tmp_path / f"{part}.de").write_bytes(b"eins\n")
    with pytest.raises(PruneError, match=rf"{part}\.en has 2 lines and .*{part}\.de has 1;"):
        make(tmp_path, prefixes)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("part", ["train", "valid"])
def test_unequal_files_that_are_compressed_are_named_as_they_were_given(tmp_path, prefixes, part):
    for side, content in (("en", b"one\ntwo\n"), ("de", b"eins\n")):
        (tmp_path / f"{part}.{side}").unlink()
        (tmp_path / f"{part}.{side}.gz").write_bytes(gzip.compress(content))
    with pytest.raises(PruneError, match=rf"{part}\.en\.gz has 2 lines and .*{part}\.de\.gz has 1;"):
        make(tmp_path, prefixes)


@pytest.mark.parametrize("part", ["train", "test"])
def test_invalid_utf8_names_file_line_and_byte(tmp_path, prefixes, part):
    (tmp_path / f"{part}.de").write_bytes(b"eins\nzw\xff\n")
    with pytest.raises(PruneError, match=rf"{part}\.de, line 2: byte 3 is not UTF-8"):
        make(tmp_path, prefixes)


def test_training_files_whose_pairs_all_have_an_empty_side_are_refused(tmp_path, prefixes):
    write(tmp_path, "train", b"one\n\n", b"\nzwei\n")
    with pytest.raises(PruneError, match=r"train\.en: no training pair is left"):
        make(tmp_path, prefixes)


def test_settings_change_with_the_content_of_the_files(tmp_path, prefixes):
    corpus = choose("plain", **prefixes)
    before = corpus.settings()
    (tmp_path / "train.en").write_bytes(b"one\nTWO\n")
    assert corpus.settings() != before


def notes(folder, prefixes, **settings):
    """What is said in the end."""
    said, corpus = [], choose("plain", **prefixes)
    preparation = Preparation.of(corpus, **{"vocab_size": 16, **settings})
    prepare(corpus, preparation, folder / "out", fetching=Fetching(folder / "cache", said.append))
    return said[-1], read_json(folder / "out" / "manifest.json")


def test_training_pairs_of_held_out_text_are_counted_and_without_cleaning_kept(tmp_path, prefixes):
    write(tmp_path, "train", b"one\nTwo\nthree\n", b"eins\nzwo\ndrei\n")
    write(tmp_path, "valid", b"four\n", b"vier\n")
    said, manifest = notes(tmp_path, prefixes, vocab_size=18)
    assert "warning: 2 training pairs have a sentence of valid or test" in said
    assert "in common" not in said
    assert manifest["shared_with_held_out"] == {"train": 2, "valid": 0}
    assert manifest["pairs"]["train"] == 3


def test_a_limit_that_nothing_keeps_is_named(tmp_path, prefixes):
    write(tmp_path, "train", b"one two three\n", b"eins\n")
    with pytest.raises(PruneError, match=r"no train pair has sides of which one is at most 1 times .*; raise --max-r"):
        notes(tmp_path, prefixes, vocab_size=14, max_ratio=1)


def test_with_cleaning_they_are_left_out(tmp_path, prefixes):
    write(tmp_path, "train", b"one\nTwo\nthree\n", b"eins\nzwo\ndrei\n")
    said, manifest = notes(tmp_path, prefixes, vocab_size=11, clean=True)
    assert "warning: valid and test have 2 pairs in common" in said
    assert "training pairs" not in said
    assert manifest["shared_with_held_out"] == {"train": 0, "valid": 2}
    assert manifest["pairs"]["train"] == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_compressed_files_are_found_and_read(tmp_path, prefixes, suffix):
    compress = {".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress, ".zst": zstandard.compress}[suffix]
    for side in ("en", "de"):
        file = tmp_path / f"train.{side}"
        (tmp_path / f"train.{side}{suffix}").write_bytes(compress(file.read_bytes()))
        file.unlink()
    make(tmp_path, prefixes, vocab_size=13)
    assert (cleaned(tmp_path, "en"), cleaned(tmp_path, "de")) == (["one", "two"], ["eins", "zwei"])


@pytest.mark.parametrize(
    ("content", "message"),
    [("one\ntwo\n".encode("utf-16"), "UTF-16"), (b'<refset setid="x">\n<seg>one</seg>\n', "SGML or XML")],
)
@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_what_is_no_plain_text_is_refused(tmp_path, prefixes, part, content, message):
    (tmp_path / f"{part}.en").write_bytes(content)
    with pytest.raises(PruneError, match=rf"{part}\.en is {message}"):
        make(tmp_path, prefixes)
