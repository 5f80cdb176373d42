import pytest

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.subset import Subset


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


@pytest.mark.parametrize(
    ("source", "target"),
    [("en", "zh-Hans"), ("pt-BR", "en"), ("zh-Hans", "zh-Hant"), ("sr@latin", "zh_CN"), ("deu", "en"), ("en", "en")],
)
def test_language_tags(tmp_path, source, target):
    for language in (source, target):
        (tmp_path / f"test.{source}-{target}.{language}.idx").touch()
    (tmp_path / "raw").mkdir()
    (tmp_path / f"raw/test.{target}").write_text("一\n")
    subset = Subset.find(tmp_path, "test")
    assert (subset.source, subset.target, subset.references()) == (source, target, ["一"])


def test_scores_are_by_the_target_language_or_as_one_says(data):
    (data / "raw/test.de").write_text("我们去北京。\n")
    subset = Subset(data, "test", "en", "zh-Hans", data / "raw/test.de")
    assert (subset.tokenizer, subset.score(["我们去北京。"]).bleu) == ("zh", pytest.approx(100))
    assert Subset.find(data, "test", tokenize="char").tokenizer == "char"


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
