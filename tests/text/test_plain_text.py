"""Text as people keep it."""

import bz2
import gzip
import io
import lzma

import pytest
import zstandard

from nmt_prune.errors import PruneError
from nmt_prune.text.plain_text import is_compressed, read_text, text_lines

TEXT = "\ufeffone ä\ntwo\r\n\nthree".encode()
PLAIN = TEXT[3:]
COMPRESS = {
    "plain": bytes,
    "gz": gzip.compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    # As pzstd begins each file: a frame to be skipped.
    "pzst": lambda data: b"\x50\x2a\x4d\x18" + bytes((4, 0, 0, 0)) + b"size" + zstandard.compress(data),
}


@pytest.mark.parametrize("kind", COMPRESS)
def test_a_file_is_read_whatever_it_is_called(tmp_path, kind):
    path = tmp_path / "text"
    path.write_bytes(COMPRESS[kind](TEXT))
    assert read_text(path) == PLAIN
    assert is_compressed(path) == (kind != "plain")
    assert list(text_lines(io.BytesIO(path.read_bytes()), "stdin")) == PLAIN.splitlines(keepends=True)


@pytest.mark.parametrize("kind", sorted(COMPRESS.keys() - {"plain"}))
def test_parts_one_behind_the_other_are_one_text(tmp_path, kind):
    (tmp_path / "text").write_bytes(COMPRESS[kind](b"one\n" * 100_000) + COMPRESS[kind](b"two\n"))
    assert read_text(tmp_path / "text") == b"one\n" * 100_000 + b"two\n"


@pytest.mark.parametrize("kind", sorted(COMPRESS.keys() - {"plain"}))
@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:40] + bytes(9) + data[49:]])
def test_a_damaged_file_is_one_line(tmp_path, kind, damage):
    path = tmp_path / "text"
    path.write_bytes(damage(COMPRESS[kind]("".join(f"line {number}\n" for number in range(5000)).encode())))
    with pytest.raises(PruneError, match=r"^\S*text cannot be read: .+$"):
        read_text(path)


@pytest.mark.parametrize("compress", COMPRESS.values(), ids=COMPRESS)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_refused(compress, encoding):
    with pytest.raises(PruneError, match="stdin is UTF-16 or binary, not UTF-8; convert it"):
        list(text_lines(io.BytesIO(compress("one two\nthree\n".encode(encoding))), "stdin"))


@pytest.mark.parametrize(
    "start",
    [
        '<srcset setid="newstest2014" srclang="any">',
        '\ufeff\n<refset trglang="de">',
        '<?xml version="1.0"?>',
        "<!DOCTYPE mteval SYSTEM 'x'>",
        '<doc sysid="ref" docid="a">',
        "<TMX version='1.4'>",
        "<html>",
    ],
)
def test_markup_is_refused(start):
    with pytest.raises(PruneError, match="stdin is SGML or XML, not plain text; extract its sentences"):
        list(text_lines(io.BytesIO(f"{start}\n<seg>one</seg>\n".encode()), "stdin"))


@pytest.mark.parametrize(
    ("start", "kind"), [(b"PK\x03\x04\x14\0", "zip"), (b"7z\xbc\xaf\x27\x1c", "7z"), (b"\x1f\x9d\x90", "compress")]
)
def test_archives_are_refused(start, kind):
    with pytest.raises(PruneError, match=rf"stdin is {kind}, not text; give the text itself, or compressed as \.gz, "):
        list(text_lines(io.BytesIO(start + b"letters and the like"), "stdin"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "<s> one",
        "< 5 degrees",
        "<html5 is not it",
        "<b>bold</b> text",
        "BZh is a word",
        "a\0b c d",
        "<doc>",
        "PK",
        "LZip",
    ],
)
def test_other_text_is_left_alone(text):
    assert b"".join(text_lines(io.BytesIO(text.encode()), "stdin")) == text.encode()


def test_nothing_is_read_before_the_first_line_is_asked_for():
    stream = io.BytesIO(b"one\n")
    lines = text_lines(stream, "stdin")
    assert stream.tell() == 0
    assert list(lines) == [b"one\n"]


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(PruneError, match="missing cannot be read: No such file"):
        read_text(tmp_path / "missing")
    with pytest.raises(PruneError, match="cannot be read: Is a directory"):
        read_text(tmp_path)
