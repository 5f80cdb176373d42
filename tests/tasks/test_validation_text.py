import pytest
from fairseq.data import Dictionary

from nmt_prune.errors import PruneError
from nmt_prune.tasks.validation_text import ValidationText


def dictionary(line: str) -> Dictionary:
    found = Dictionary()
    for symbol in line.split():
        found.add_symbol(symbol)
    return found


def text(line: str, asked: str | None = None, unknown: str = "UNKNOWN") -> str:
    words = dictionary(line.replace("<unk>", ""))
    return ValidationText(words, "de", asked, None)(words.encode_line(line, add_if_not_exist=False), unknown)


@pytest.mark.parametrize("asked", [None, "sentencepiece"])
def test_byte_pieces_become_their_character(asked):
    assert text("▁sie ben ▁ <0xF0> <0x9F> <0x98> <0x80>", asked) == "sieben 😀"


@pytest.mark.parametrize("asked", [None, "subword_nmt", "@@ "])
def test_subwords_of_the_dictionary(asked):
    assert text("sie@@ ben Zwer@@ ge", asked) == "sieben Zwerge"


def test_words_stay_and_unknown_ones_are_told_apart():
    assert text("sieben <unk> Zwerge", unknown="REF") == "sieben REF Zwerge"


def test_what_only_fairseq_joins_is_joined_by_it():
    assert text("s i e | b e n |", "letter") == "sie ben"


@pytest.mark.parametrize(
    ("line", "asked", "message"),
    [
        ("▁sie ben", "subword_nmt", "--eval-bleu-remove-bpe subword_nmt would leave no text: the dictionary of de has"),
        ("sie ben", "sentencepiece", "would leave no text: the dictionary of de has no ▁; leave the flag out"),
        ("11 12 13", None, r"holds numbers only, as GPT-2's .*; say it with --eval-bleu-remove-bpe \(none: not at all"),
    ],
)
def test_what_contradicts_the_dictionary_is_refused(line, asked, message):
    with pytest.raises(PruneError, match=message):
        text(line, asked)


def test_none_leaves_numbers_as_they_are():
    assert text("11 12 13", "none") == "11 12 13"
