import pytest

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.subset import Subset


@pytest.fixture
def data(tmp_path):
    (tmp_path / "raw").mkdir()
    for name in ("test.en-de.en.idx", "test.en-de.de.idx", "test.en-de.en.bin", "raw/test.de"):
        (tmp_path / name).write_text("ein Satz\n")
    return tmp_path


def test_languages_and_reference_are_found(data):
    subset = Subset.find(data, "test")
    assert (subset.source, subset.target, subset.reference) == ("en", "de", data / "raw/test.de")
    assert subset.references() == ["ein Satz"]


def test_a_reference_of_the_users(data, tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("eigener Satz\n")
    assert Subset.find(data, "test", own).references() == ["eigener Satz"]


def test_missing_subset(data):
    with pytest.raises(PruneError, match="no binarized subset 'valid'; make it with nmt-prune data"):
        Subset.find(data, "valid")


def test_two_language_pairs(data):
    (data / "test.de-en.en.idx").touch()
    with pytest.raises(PruneError, match="for de-en, en-de; keep one"):
        Subset.find(data, "test")


def test_missing_and_empty_reference(data):
    (data / "raw/test.de").write_text("")
    with pytest.raises(PruneError, match=r"test\.de is empty"):
        Subset.find(data, "test").references()
    (data / "raw/test.de").unlink()
    with pytest.raises(PruneError, match="give --reference"):
        Subset.find(data, "test")
