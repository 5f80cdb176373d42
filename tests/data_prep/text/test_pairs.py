"""Cleaning and comparing sentence pairs."""

import pytest

from data_prep.text.pairs import Pair, distinct, is_translation, write_sides


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("Open the file", "Öffnen Sie die Datei", True),
        ("Ctrl+F12", "Strg+F12", True),
        ("Python", "Python", False),
        ("", "Datei", False),
        ("Datei", "", False),
        ("2005-05-01", "01.05.2005", False),
        ("Click Next.", "eins zwei drei vier fünf sechs sieben acht neun", True),
        ("Click Next.", "eins zwei drei vier fünf sechs sieben acht neun zehn", False),
    ],
)
def test_a_translation_has_words_on_both_sides_differs_and_is_about_as_long(source, target, expected):
    assert is_translation(Pair(source, target)) is expected


def test_distinct_drops_repetitions_and_what_shares_a_side_with_held_out_text():
    pairs = [Pair("a", "x"), Pair("b", "y"), Pair("a", "x"), Pair("B", "z"), Pair("c", "Z"), Pair("d", "w")]
    assert distinct(pairs) == [Pair("a", "x"), Pair("b", "y"), Pair("B", "z"), Pair("c", "Z"), Pair("d", "w")]
    assert distinct(pairs, apart_from=[Pair("b", "Z")]) == [Pair("a", "x"), Pair("d", "w")]


def test_sides_are_written_one_sentence_a_line(tmp_path):
    text = write_sides([Pair("a", "ä"), Pair("b", "ß")], tmp_path, "train", "en", "de")
    assert text == ("train", tmp_path / "train.en", tmp_path / "train.de")
    assert (tmp_path / "train.en").read_bytes() == b"a\nb\n"
    assert (tmp_path / "train.de").read_bytes() == "ä\nß\n".encode()
