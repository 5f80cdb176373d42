"""Text becomes subwords, and subwords text, as in fairseq."""

import io
from dataclasses import replace
from types import SimpleNamespace

import pytest
import sentencepiece
from fairseq.data.data_utils import post_process
from fairseq.data.encoders.moses_tokenizer import MosesTokenizer, MosesTokenizerConfig
from fairseq.data.encoders.sentencepiece_bpe import SentencepieceBPE
from fairseq.data.encoders.subword_nmt_bpe import SubwordNMTBPE
from fairseq.tokenizer import tokenize_line

from nmt_prune.errors import PruneError
from nmt_prune.runtime.segmentation import Segmentation
from tests.runtime.echo import echo_model

LINES = [
    "one two three",
    "  three   blanks in front, and some behind  ",
    "Don't split well-known words (or do) & escape them: 5 < 6 | [7].",
    "a\u2028separator\u00a0and\u3000blanks\tbetween",
    "Übermut tut ſelten gut … ☃",
    "",
]
CODES = "#version: 0.2\nt h\nth r\nthr e\nthre e</w>\no n\n"


@pytest.fixture(scope="module")
def pieces() -> bytes:
    model = io.BytesIO()
    words = ("one", "two", "three", "blanks", "words", "split", "well-known", "some", "do", "or", "behind")
    text = (f"{first} {second}" for first in words for second in words)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=text, model_writer=model, vocab_size=30, normalization_rule_name="identity", minloglevel=2
    )
    return model.getvalue()


@pytest.mark.parametrize("line", LINES)
def test_sentencepiece(line, pieces, tmp_path):
    path = tmp_path / "pieces.model"
    path.write_bytes(pieces)
    settings = {"sentencepiece_enable_sampling": False, "sentencepiece_alpha": None}
    theirs = SentencepieceBPE(SimpleNamespace(sentencepiece_model=str(path), **settings))
    mine = Segmentation(replace(echo_model(bpe="sentencepiece"), sentencepiece=pieces))
    subwords = tokenize_line(theirs.encode(line.strip()))
    assert mine.split(line) == subwords
    assert mine.join(subwords) == post_process(" ".join(subwords), "sentencepiece") == theirs.decode(" ".join(subwords))


@pytest.mark.parametrize("line", LINES)
def test_subword_nmt(line, tmp_path):
    (tmp_path / "codes").write_text(CODES)
    theirs = SubwordNMTBPE(SimpleNamespace(bpe_codes=str(tmp_path / "codes"), bpe_separator="@@"))
    mine = Segmentation(echo_model(bpe="subword_nmt", bpe_codes=CODES))
    subwords = tokenize_line(theirs.encode(line.strip()))
    assert mine.split(line) == subwords
    assert mine.join(subwords) == post_process(" ".join(subwords), "@@ ") == theirs.decode(" ".join(subwords))


def test_without_codes_the_text_is_split_already():
    mine = Segmentation(echo_model(bpe="subword_nmt"))
    assert mine.split("thre@@ e on@@ e") == ["thre@@", "e", "on@@", "e"]
    assert mine.join(["thre@@", "e", "on@@"]) == "three on"


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("no_escape", [False, True])
def test_moses(line, no_escape):
    config = MosesTokenizerConfig(source_lang="en", target_lang="de", moses_no_escape=no_escape)
    model = echo_model(tokenizer="moses", source_lang="en", target_lang="de", moses_no_escape=no_escape)
    theirs, mine = MosesTokenizer(config), Segmentation(model)
    words = tokenize_line(theirs.encode(line.strip()))
    assert mine.split(line) == words
    assert mine.join(words) == theirs.decode(" ".join(words))


def test_neither():
    mine = Segmentation(echo_model())
    assert mine.split(" one  two\u2028three ") == ["one", "two", "three"]
    assert mine.join(["one", "two"]) == "one two"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ({"bpe": "gpt2"}, "gpt2; only sentencepiece, subword_nmt"),
        ({"tokenizer": "nltk"}, "nltk; only moses, space"),
        ({"bpe": "sentencepiece"}, "no SentencePiece model"),
    ],
)
def test_what_is_not_known_is_refused(text, message):
    with pytest.raises(PruneError, match=message):
        Segmentation(echo_model(**text))


def test_a_damaged_sentencepiece_model():
    with pytest.raises(PruneError, match="SentencePiece model cannot be read"):
        Segmentation(replace(echo_model(bpe="sentencepiece"), sentencepiece=b"nonsense"))
