"""Language tags and the names of binarized files."""

import pytest

from nmt_prune.text.dictionaries import languages
from nmt_prune.text.languages import language_pairs, primary_language


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        *((tag, tag[:2].lower()) for tag in ("de", "DE", "zh-Hans", "zh_CN", "pt-BR", "sr@latin", "de_DE@euro")),
        *(("deu", "de"), ("zho_Hans", "zh"), ("yue", "zh"), ("jpn_Jpan", "ja"), ("nso", "nso"), ("", "")),
    ],
)
def test_primary_languages(tag, language):
    assert primary_language(tag) == language


def test_pairs_by_the_names_of_files(tmp_path):
    for name in ("train.pt-BR-zh-Hans.pt-BR", "train.pt-BR-zh-Hans.zh-Hans", "test1.en-de.de", "test1.en-de.en"):
        (tmp_path / f"{name}.idx").touch()
    (tmp_path / "dict.zh-Hans.txt").touch()
    assert language_pairs(tmp_path, "train") == {("pt-BR", "zh-Hans")}
    assert language_pairs(tmp_path) == {("pt-BR", "zh-Hans"), ("en", "de")}
    assert language_pairs(tmp_path, "test") == set()


def test_a_tag_with_a_hyphen_is_one_language(tmp_path):
    for side in ("zh-Hans", "en"):
        (tmp_path / f"train.zh-Hans-en.{side}.idx").touch()
    assert languages(tmp_path) == ("zh-Hans", "en")
