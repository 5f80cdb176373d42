"""What a line is made to look like."""

import random

import pytest
from sacremoses import MosesPunctNormalizer

from nmt_prune import normalisation
from nmt_prune.normalisation import normalise, one_line

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


def test_every_kind_of_white_space_becomes_one_space():
    assert one_line(" a\u2028b\r c\u00a0\t d\x85") == "a b c d"


def test_normalising_twice_changes_nothing_more():
    line = "Er sagte : « Nein » ( 50 % ) ."
    assert normalise(normalise(line, "fr"), "fr") == normalise(line, "fr")
