"""SentencePiece models."""

import pytest

from data_prep.corpora.numbers import generate
from data_prep.subwords.model import Segmenter, _parts, train_model
from nmt_prune.errors import PruneError

PAIRS = generate(1500, "en", "de", 1)
SENTENCES = [side for pair in PAIRS for side in pair]


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_the_same_text_gives_the_same_model(model_type):
    assert train_model(SENTENCES, 200, model_type) == train_model(SENTENCES, 200, model_type)


def test_joining_the_pieces_gives_back_the_sentence():
    sentences = [*SENTENCES, *["Warten … ½ ﬁ"] * 50]
    segmented = Segmenter(train_model(sentences, 300, "unigram")).segment(sentences)
    assert ["".join(pieces).replace("▁", " ").strip() for pieces in segmented] == sentences


def test_the_dictionary_has_exactly_the_size_asked_for(tmp_path):
    from fairseq.data import Dictionary

    Segmenter(train_model(SENTENCES, 200, "unigram")).write_dictionary(tmp_path / "dict.txt")
    dictionary = Dictionary.load(str(tmp_path / "dict.txt"))
    assert len(dictionary) == 200
    assert dictionary.bos() != dictionary.eos() != dictionary.unk() != dictionary.pad()


def test_a_corpus_too_small_for_the_vocabulary_is_refused_with_a_remedy():
    with pytest.raises(PruneError, match=r"--vocab-size 4000 does not suit this corpus: .*<= \d+"):
        train_model(SENTENCES[:40], 4000, "unigram")


def test_a_vocabulary_smaller_than_the_alphabet_is_refused():
    with pytest.raises(PruneError, match="--vocab-size 9 does not suit"):
        train_model(SENTENCES, 9, "unigram")


def test_an_unknown_model_type_is_refused():
    with pytest.raises(PruneError, match="--model-type words is unknown; choose unigram or bpe"):
        train_model(SENTENCES, 200, "words")


@pytest.mark.parametrize("sentence", ["one two three " * 900, "日本語" * 3000, "x" * 4193, "ä " * 2096])
def test_no_sentence_is_too_long_to_learn_from(sentence):
    parts = list(_parts(sentence.strip()))
    assert all(0 < len(part.encode()) <= 4192 for part in parts)
    assert "".join(parts).replace(" ", "") == sentence.replace(" ", "")


def test_a_corpus_of_long_lines_gives_the_model_of_short_ones():
    pieces = [
        Segmenter(train_model(text, 150, "bpe")).segment(SENTENCES[:50]) for text in (SENTENCES, [" ".join(SENTENCES)])
    ]
    assert pieces[0] == pieces[1]
