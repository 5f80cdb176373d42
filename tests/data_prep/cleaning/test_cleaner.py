"""Which pairs are left out, and for which reason each counts."""

from pathlib import Path

import pytest

from data_prep.cleaning.cleaner import Cleaner, Cleaning, folded
from data_prep.text.streaming import Block
from data_prep.text.texts import Text
from nmt_prune.errors import PruneError

TEXT = Text("web", Path("web.en"), Path("web.de"))
DEFAULT = {"clean": True, "max_words": 5, "identify_languages": False, "keep_going": True}


def clean(pairs, held_out=frozenset(), line=1, **settings):
    lines = [
        [side if isinstance(side, bytes) else side.encode() for side in sides] for sides in zip(*pairs, strict=True)
    ]
    cleaner = Cleaner(TEXT, ("en", "de"), Cleaning(**{**DEFAULT, **settings}), held_out)
    (source, target, hashes), counts = cleaner(Block(0, line, line, *lines))
    kept = zip(source.decode().split("\n"), target.decode().split("\n"), strict=True)
    return [pair for pair in kept if any(pair)], dict(counts), hashes


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        ((b"one\xff", b"eins"), "not UTF-8"),
        (("", "eins"), "empty"),
        (("one", " \u200b\t"), "empty"),
        (("Python", "Python"), "identical"),
        (("“Python”", '"Python"'), "identical"),  # once normalised
        (("one two three four five six", "eins"), "length"),
        (("one", "x" * 100_001), "length"),
        ((b"one", b"\xff" * 100_001), "length"),
        (("A held-out sentence", "irgendetwas"), "held out"),
        (("anything", "EIN SATZ"), "held out"),
        (("one two three four five", "eins zwei drei vier fünf"), None),
        (("2005-05-01", "01.05.2005"), None),
    ],
)
def test_reasons(pair, reason):
    held_out = folded(["a held-out sentence"], "en") | folded(["Ein Satz"], "de")
    kept, counts, _ = clean([pair, ("good", "gut")], held_out)
    assert counts == {"read": 2, **({reason: 1} if reason else {})}
    assert kept[-1] == ("good", "gut")
    assert len(kept) == (1 if reason else 2)


def test_a_held_out_sentence_is_known_with_and_without_its_punctuation_normalised():
    for line in ("Er sagte „Ja“.", 'Er sagte "Ja".'):
        assert clean([("x", line)], folded(["Er sagte „Ja“."], "de"))[0] == []


def test_without_cleaning_only_white_space_changes_and_only_empty_pairs_go():
    pairs = [("„A“  b", "„A“  b"), ("", "x"), ("one two three four five six", "x" * 200_000)]
    kept, counts, _ = clean(pairs, folded(["„A“ b"], "en"), clean=False)
    assert kept == [("„A“ b", "„A“ b"), pairs[2]]
    assert counts == {"read": 3, "empty": 1}


def test_a_byte_order_mark_belongs_to_no_sentence():
    assert clean([("\ufeffone", "\ufeffeins")], line=0)[0] == [("one", "eins")]


def test_the_users_own_text_is_refused_with_file_line_and_byte():
    with pytest.raises(PruneError, match=r"web\.de, line 9: byte 3 is not UTF-8; convert the file"):
        clean([("one", "eins"), (b"two", b"zw\xff")], line=7, keep_going=False)


def test_equal_pairs_have_equal_hashes_and_others_have_others():
    _, _, hashes = clean([("a b", "c"), ("a", "b c"), ("a b", "c"), ("a  b", "c ")])
    one, two, three, four = (hashes[index : index + 8] for index in range(0, 32, 8))
    assert one == three == four != two
    assert len(hashes) == 32


def test_sentences_in_another_language_go_if_they_are_long_enough_to_tell():
    pairs = [
        ("This is a sentence in English", "Das ist ein Satz auf Deutsch"),
        ("C'est une phrase en bon français", "Das ist ein Satz auf Deutsch"),
        ("This is a sentence in English", "This is another one in English"),
        ("Oui", "Yes"),
        ("1 2 3 4 5 6 7", "1 2 3 4 5 6 7 8"),
    ]
    kept, counts, _ = clean(pairs, max_words=9, identify_languages=True)
    assert kept == [pairs[0], *pairs[3:]]
    assert counts == {"read": 5, "language": 2}
