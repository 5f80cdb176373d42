import pytest

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.text import read_lines, write_lines


def test_only_a_line_feed_ends_a_line(tmp_path):
    lines = ["one\u2028still one", "two\x85\r", "", "four\x0c"]
    write_lines(tmp_path / "text", lines)
    assert read_lines(tmp_path / "text") == lines


@pytest.mark.parametrize(("content", "lines"), [(b"", []), (b"\n", [""]), (b"a\nb", ["a", "b"]), (b"a\n\n", ["a", ""])])
def test_the_end_of_the_file(tmp_path, content, lines):
    (tmp_path / "text").write_bytes(content)
    assert read_lines(tmp_path / "text") == lines


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(PruneError, match="text does not exist"):
        read_lines(tmp_path / "text")
    (tmp_path / "latin").write_bytes("grün".encode("latin-1"))
    with pytest.raises(PruneError, match=r"latin is not UTF-8 \(byte 2\)"):
        read_lines(tmp_path / "latin")
