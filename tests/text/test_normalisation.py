"""What a line is made to look like."""

import random

import pytest
from sacremoses import MosesPunctNormalizer

from nmt_prune.text import normalisation
from nmt_prune.text.normalisation import normalise, one_line

# What sacremoses' substitutions look at, and enough else to stand between.
PIECES = [*"aZ1 3.,:;%!?\"'`()«»„“”–—´‘‚’…º<nC\\", "\u00a0", "\u00a0cm", "  ", "nº\u00a0", "\u00a0ºC", "''", "\r"]


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_punctuation_is_that_of_sacremoses(language):
    """Lines that are handed to it and lines that, for speed, are not."""
    moses, draw = MosesPunctNormalizer(lang=language), random.Random(1)
    handed_over = 0
    for _ in range(5_000):
        line = "".join(draw.choice(PIECES) for _ in range(draw.randint(1, 8)))
        handed_over += bool(normalisation._TOUCHED.search(line))
        assert normalise(line, language) == one_line(moses.normalize(line))
    assert 0 < handed_over < 5_000


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("„Ja“, sagte er – und ging …", '"Ja", sagte er - und ging ...'),
        ("a\u200bb\x00c\ufeffd\u00ade\uf0b7f", "abcdef"),
        ("u\u0308ber", "über"),
        ("one\u2028two\x85three\tfour\x1cfive", "one two three four five"),
        ("ﬁ ½ ²", "ﬁ ½ ²"),  # NFC, not NFKC
        ("\U0001f600 ok", "\U0001f600 ok"),
        ("", ""),
        ("\u200b \x00", ""),
    ],
)
def test_by_hand(line, expected):
    assert normalise(line, "de") == expected


@pytest.mark.parametrize("tag", ["de-AT", "de_DE", "deu_Latn", "ger"])
def test_punctuation_is_that_of_the_language_whatever_its_tag(tag):
    assert normalise('"Ja," sagte er.', tag) == normalise('"Ja," sagte er.', "de") == '"Ja", sagte er.'


def test_every_kind_of_white_space_becomes_one_space():
    assert one_line(" a\u2028b\r c\u00a0\t d\x85") == "a b c d"


def test_normalising_twice_changes_nothing_more():
    line = "Er sagte : « Nein » ( 50 % ) ."
    assert normalise(normalise(line, "fr"), "fr") == normalise(line, "fr")


@pytest.mark.parametrize(
    "line",
    [
        "می\u200cخواهم کتاب\u200cها را ه\u200d.ش",  # Persian: another word, and a letter's form
        "क्\u200dष क्\u200cष",  # Hindi: other forms of a conjunct
        "👨\u200d👩\u200d👧 ❤\ufe0f 👍🏽",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # England's flag, by tags
        "ភាសា\u200bខ្មែរ",  # Khmer: where a word ends
        "ᠨᠠᠷ\u180eᠠ",
        "\u06dd۱",  # seen although a format character
    ],
)
def test_what_cannot_be_seen_but_makes_a_word_stays(line):
    assert normalise(line, "en") == line


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Donau\u00addampf", "Donaudampf"),
        ("\u200fשלום\u200e \u202aabc\u202c \u2066x\u2069", "שלום abc x"),
        ("a\u2060b\u200bc", "abc"),
        ("a \u200c\u200d b", "a b"),
        ("\u200d", ""),
    ],
)
def test_what_only_lays_out_goes(line, expected):
    assert normalise(line, "en") == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("AT&amp;T &#44; &#x41;&#x2019;s &quot;x&quot; &lt;b&gt;", 'AT&T , A\'s "x" <b>'),
        ("a&nbsp;b&#10;c&shy;d", "a b cd"),
        ("&amp;lt;", "&lt;"),
        ("?a=1&copy=2 &nosuch; R&D & co;", "?a=1&copy=2 &nosuch; R&D & co;"),
    ],
)
def test_entities_are_decoded(line, expected):
    assert normalise(line, "en") == expected
