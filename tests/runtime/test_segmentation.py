"""Text becomes subwords, and subwords text, as in fairseq."""

import io
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import sentencepiece
from fairseq.data.data_utils import post_process
from fairseq.data.encoders.gpt2_bpe_utils import get_encoder
from fairseq.data.encoders.moses_tokenizer import MosesTokenizer, MosesTokenizerConfig
from fairseq.data.encoders.sentencepiece_bpe import SentencepieceBPE
from fairseq.data.encoders.subword_nmt_bpe import SubwordNMTBPE
from fairseq.tokenizer import tokenize_line

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.runtime.segmentation import Segmentation
from nmt_prune.storage.checkpoints.vocabularies import read_joining
from nmt_prune.storage.model.splitting import subword_nmt_codes
from nmt_prune.text.dictionaries import SPECIAL
from nmt_prune.text.normalisation import normalise, one_line
from nmt_prune.text.subwords import gpt2_alphabet, join
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
    subwords = tokenize_line(theirs.encode(one_line(line)))
    assert mine.split(line) == subwords
    assert mine.join(subwords) == post_process(" ".join(subwords), "sentencepiece") == theirs.decode(" ".join(subwords))


@pytest.mark.parametrize("line", LINES)
def test_subword_nmt(line, tmp_path):
    (tmp_path / "codes").write_text(CODES)
    theirs = SubwordNMTBPE(SimpleNamespace(bpe_codes=str(tmp_path / "codes"), bpe_separator="@@"))
    mine = Segmentation(echo_model(bpe="subword_nmt", bpe_codes=CODES))
    subwords = tokenize_line(theirs.encode(one_line(line)))
    assert mine.split(line) == subwords
    assert mine.join(subwords) == post_process(" ".join(subwords), "@@ ") == theirs.decode(" ".join(subwords))


@pytest.mark.parametrize("space", ["\t", "\xa0", "\u202f", "\u2028", "\u3000", "\r", " \xa0 "])
def test_any_white_space_is_the_blank_of_the_training_text(space, pieces):
    """``nmt-prune data`` makes one of every run of it, whether text is cleaned or not."""
    line = f"one{space}well-known{space}! two"
    for model in (
        replace(echo_model(bpe="sentencepiece"), sentencepiece=pieces),
        echo_model(bpe="subword_nmt", bpe_codes=CODES),
    ):
        assert Segmentation(model).split(line) == Segmentation(model).split("one well-known ! two")


def test_without_codes_the_text_is_split_already():
    with pytest.warns(RuntimeWarning, match="split into subwords already, .* give them with --bpe-codes"):
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
        ({"bpe": "bert"}, "by bert; only sentencepiece, subword_nmt.*already, with --bpe none"),
        ({"bpe": "gpt2"}, "give vocab.bpe, with encoder.json beside it"),
        ({"tokenizer": "nltk"}, "nltk; only moses, space.*already, with --tokenizer none"),
        ({"bpe": "sentencepiece"}, "its SentencePiece model is missing: give it with --sentencepiece-model"),
    ],
)
def test_what_is_not_known_is_refused(text, message):
    with pytest.raises(PruneError, match=message):
        Segmentation(echo_model(**text))


def test_a_damaged_sentencepiece_model():
    with pytest.raises(PruneError, match="SentencePiece model cannot be read"):
        Segmentation(replace(echo_model(bpe="sentencepiece"), sentencepiece=b"nonsense"))


def test_fastbpe_codes_split_as_subword_nmts(tmp_path):
    """fastBPE counts its merges in a third column; its merges and marks are those of subword-nmt 0.2."""
    path = tmp_path / "codes"
    codes = subword_nmt_codes("t h 9\nth r 7\nthr e 5\nthre e</w> 4\no n 2\n", path)
    assert codes == CODES
    assert Segmentation(echo_model(bpe="fastbpe", bpe_codes=codes)).split("one three") == ["on@@", "e", "three"]
    with pytest.raises(PruneError, match="codes holds no codes of subword-nmt or fastBPE"):
        subword_nmt_codes("a b c\n", path)


def test_the_dictionaries_say_what_nobody_else_does():
    """A model that was packed without a kind of subwords, and sides that are split differently."""
    model = replace(echo_model(), source=(*SPECIAL, "on@@", "e"), target=(*SPECIAL, "▁one", "▁two"))
    with pytest.warns(RuntimeWarning, match="give them with --bpe-codes"):
        mine = Segmentation(model)
    assert mine.join(["▁one", "▁two"]) == "one two"
    with pytest.warns(RuntimeWarning, match="give them with --bpe-codes"):
        assert Segmentation(replace(model, target=(*SPECIAL, "one"))).join(["one@@", "two"]) == "one@@ two"


def test_lines_that_only_fairseq_splits_may_be_split_already():
    """fairseq's characters, say, whose blank looks like SentencePiece's."""
    symbols = (*SPECIAL, "▁", "o", "n", "e")
    with pytest.warns(RuntimeWarning, match="lines must have been split into subwords already, as --bpe none says"):
        mine = Segmentation(replace(echo_model(bpe="none"), source=symbols, target=symbols))
    assert mine.split("o n e ▁ o n") == ["o", "n", "e", "▁", "o", "n"]
    assert mine.join(mine.split("o n e ▁ o n")) == "one on"


@pytest.mark.parametrize(("mark", "others"), [("▁", 199), ("##o", 50)])
def test_a_dictionary_that_does_not_say_how(mark, others):
    symbols = (*SPECIAL, mark, *(chr(0x4E00 + number) for number in range(others)))
    with pytest.warns(RuntimeWarning, match="split into subwords already, as the dictionary does not say how"):
        found = Segmentation(replace(echo_model(), source=symbols, target=symbols))
    assert found.split(f"{mark} {symbols[-1]}") == [mark, symbols[-1]]


WORD_PIECES = (*SPECIAL, "one", "##s", "two")
PIECES = (*SPECIAL, "▁one", "▁two", "s")


@pytest.mark.parametrize("kind", ["byte_bpe", "bytes", "characters", "bert"])
def test_hypotheses_that_only_fairseq_joins(kind):
    checkpoint = Checkpoint(Path("c.pt"), {"cfg": {"bpe": {"_name": kind}}})
    with pytest.raises(PruneError, match=f"c.pt: its subwords are by {kind}, .*behind --, e.g. -- --bpe {kind}"):
        read_joining(checkpoint, PIECES, Path("dict.de.txt"), None)
    assert read_joining(checkpoint, PIECES, Path("dict.de.txt"), "sentencepiece")[1] == "sentencepiece"


def test_hypotheses_of_subwords_whose_kind_is_not_configured():
    bare = Checkpoint(Path("c.pt"), {"cfg": {}})
    with pytest.raises(PruneError, match=r"dict\.de\.txt has subwords with ##, .*; say it with --remove-bpe"):
        read_joining(bare, WORD_PIECES, Path("dict.de.txt"), None)
    gpt2 = (*SPECIAL, "Ġone", "Ġtwo", "s")
    for config in ({}, {"bpe": {"_name": "hf_byte_bpe"}}):
        assert read_joining(Checkpoint(Path("c.pt"), {"cfg": config}), gpt2, Path("dict.de.txt"), None)[1] == "gpt2"


def test_bytes_become_characters():
    mine = partial(join, kind="sentencepiece")
    assert mine(["▁a", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>", "b", "▁", "<0xC3>", "<0xA4>"]) == "a😀b ä"
    assert mine(["<0xF0>", "<0x9F>", "▁x", "<0x0A>", "y"]) == "\ufffd\ufffd x y"
    processor = sentencepiece.SentencePieceProcessor(model_proto=byte_pieces())
    for line in ("one 😀 two", "☃one", "öne ẗwo"):
        pieces = processor.encode(line, out_type=str)
        assert any(piece.startswith("<0x") for piece in pieces)
        assert mine(pieces) == processor.decode(pieces) == line


def byte_pieces() -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(f"one two three {n % 7}" for n in range(50)),
        model_writer=model,
        vocab_size=290,
        byte_fallback=True,
        normalization_rule_name="identity",
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return model.getvalue()


@pytest.mark.parametrize("line", LINES)
def test_gpt2(line, tmp_path):
    merges = ["t h", "th r", "thr e", "thre e", "Ġ t", "o n", "Ġ on"]
    alphabet = gpt2_alphabet().values()
    numbers = {subword: n for n, subword in enumerate([*alphabet, *(merge.replace(" ", "") for merge in merges)])}
    vocab = "#version: 0.2\n" + "".join(f"{merge}\n" for merge in merges)
    (tmp_path / "encoder.json").write_text(json.dumps(numbers))
    (tmp_path / "vocab.bpe").write_text(vocab, encoding="utf-8")
    files = {"gpt2_encoder_json": json.dumps(numbers), "gpt2_vocab_bpe": vocab}
    theirs = get_encoder(str(tmp_path / "encoder.json"), str(tmp_path / "vocab.bpe"))
    numbered = [str(number) for number in theirs.encode(line.strip())]
    mine = Segmentation(echo_model(bpe="gpt2", **files))
    assert mine.split(line) == numbered
    assert mine.join(numbered) == theirs.decode(list(map(int, numbered))).strip()
    symbols = (*SPECIAL, "Ġt", "on")
    written = Segmentation(replace(echo_model(bpe="gpt2", **files), source=symbols, target=symbols))
    assert [str(numbers[subword]) for subword in written.split(line)] == numbered
    assert written.join(written.split(line)) == mine.join(numbered)


@pytest.mark.parametrize("line", [*LINES, "“Don’t” – “stop,”\u00a0he said…", "e\u0301 a\u0007b"])
def test_lines_are_normalised_as_training_text_was(line):
    model = echo_model(normalisation="moses", source_lang="en", target_lang="fr")
    assert " ".join(Segmentation(model).split(line)) == normalise(line, "en")
    assert " ".join(Segmentation(model).split(line, "target")) == normalise(line, "fr")
    assert Segmentation(echo_model(source_lang="en")).split(line) == line.split()
