"""The user's own files, and everything that can be wrong with them."""

from pathlib import Path

import pytest

from data_prep.corpora import choose
from data_prep.corpora.plain import read_lines
from data_prep.pairs import Pair
from nmt_prune.errors import PruneError


def write(folder: Path, part: str, english: bytes, german: bytes) -> str:
    (folder / f"{part}.en").write_bytes(english)
    (folder / f"{part}.de").write_bytes(german)
    return str(folder / part)


@pytest.fixture
def prefixes(tmp_path):
    return {part: write(tmp_path, part, b"one\ntwo\n", b"eins\nzwei\n") for part in ("train", "valid", "test")}


def load(prefixes, valid_size=0):
    return choose("plain", **prefixes).load(valid_size, 0, Path("unused"), lambda line: None)


def test_pairs_are_read_in_order_and_only_training_loses_empty_ones(tmp_path, prefixes):
    write(tmp_path, "train", b"one\n\nthree", b"eins\nzwei\ndrei\n")
    write(tmp_path, "test", b"one\n\n", b"eins\nzwei\n")
    splits = load(prefixes, valid_size=1)
    assert splits.train == [Pair("one", "eins"), Pair("three", "drei")]
    assert splits.valid == [Pair("one", "eins")]
    assert splits.test == [Pair("one", "eins"), Pair("", "zwei")]
    assert len(splits.inputs) == 6


def test_odd_line_separators_inside_a_line_do_not_break_it(tmp_path):
    file = tmp_path / "text.en"
    file.write_bytes("\ufeffone\u2028two\x0cthree\r\nfour\r\n".encode())
    assert read_lines(file) == ["one two three", "four"]


def test_a_missing_prefix_names_the_flag(prefixes):
    del prefixes["valid"]
    with pytest.raises(PruneError, match="needs --valid PREFIX"):
        load(prefixes)


def test_a_missing_file_is_named(tmp_path, prefixes):
    (tmp_path / "test.de").unlink()
    with pytest.raises(PruneError, match=r"test\.de does not exist"):
        load(prefixes)


def test_an_empty_file_is_named(tmp_path, prefixes):
    (tmp_path / "train.de").write_bytes(b"\n\n")
    with pytest.raises(PruneError, match=r"train\.de is empty"):
        load(prefixes)


def test_unequal_files_are_named_with_their_counts(tmp_path, prefixes):
    (tmp_path / "valid.de").write_bytes(b"eins\n")
    with pytest.raises(PruneError, match=r"valid\.en has 2 lines and .*valid\.de has 1;"):
        load(prefixes)


def test_invalid_utf8_names_file_line_and_byte(tmp_path, prefixes):
    (tmp_path / "train.de").write_bytes(b"eins\nzw\xff\n")
    with pytest.raises(PruneError, match=r"train\.de, line 2: byte 3 is not UTF-8"):
        load(prefixes)


def test_training_files_whose_pairs_all_have_an_empty_side_are_refused(tmp_path, prefixes):
    write(tmp_path, "train", b"one\n\n", b"\nzwei\n")
    with pytest.raises(PruneError, match="every training pair has an empty side"):
        load(prefixes)


def test_settings_change_with_the_content_of_the_files(tmp_path, prefixes):
    corpus = choose("plain", **prefixes)
    before = corpus.settings()
    (tmp_path / "train.en").write_bytes(b"one\nTWO\n")
    assert corpus.settings() != before
