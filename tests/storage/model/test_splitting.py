"""What a model's text was made to look like and split into travels with it, from wherever it was configured."""

import json
import warnings
from dataclasses import replace

import pytest

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.runtime.loading import load_model
from nmt_prune.storage.checkpoints.from_checkpoint import compact_model
from nmt_prune.storage.format.compact_file import load_compact, save_compact
from nmt_prune.storage.model.splitting import Splitting
from tests.storage.models import small_model
from tests.storage.trained import change, save_model

CODES = "#version: 0.2\nt h\nth r</w>\n"


def load(path, **given):
    return compact_model(Checkpoint.load(path), splitting=Splitting(**given))


def marked(folder, mark="{}@@"):
    """A model whose dictionary has marked subwords."""
    path = save_model(folder)
    for side in ("en", "de"):
        (folder / f"data/dict.{side}.txt").write_text("".join(f"{mark.format(chr(97 + n))} 1\n" for n in range(20)))
    return path


@pytest.mark.parametrize("place", ["elsewhere/codes", "data/codes", "codes", "data/bpecodes"])
def test_codes_are_found(tmp_path, place):
    """Where they were, or, that being gone, in the data folder or beside the checkpoint."""
    (tmp_path / "elsewhere").mkdir()
    configured = tmp_path / ("elsewhere/codes" if place != "data/bpecodes" else "nowhere")
    path = change(marked(tmp_path), {"bpe": "subword_nmt", "bpe_codes": str(configured)})
    (tmp_path / place).write_text(CODES)
    assert load(path).text["bpe_codes"] == CODES


@pytest.mark.parametrize("kind", ["subword_nmt", "fastbpe"])
def test_the_kind_alone_leaves_what_was_configured(tmp_path, kind):
    (tmp_path / "elsewhere").write_text(CODES)
    configured = {"bpe": "subword_nmt", "bpe_codes": str(tmp_path / "elsewhere"), "bpe_separator": "@@"}
    path = change(marked(tmp_path), configured)
    assert load(path, bpe=kind).text == load(path).text
    assert load(path).text["bpe_codes"] == CODES


def test_a_sentencepiece_model_outside_of_the_data_folder(tmp_path):
    (tmp_path / "elsewhere.model").write_bytes(b"pieces")
    settings = {"bpe": "sentencepiece", "sentencepiece_model": str(tmp_path / "elsewhere.model")}
    path = change(marked(tmp_path, "▁{}"), settings)
    assert (load(path).text["bpe"], load(path).sentencepiece) == ("sentencepiece", b"pieces")


def test_files_of_gpt2(tmp_path):
    (tmp_path / "encoder.json").write_text('{"a": 0}')
    (tmp_path / "vocab.bpe").write_text("#version: 0.2\n")
    for settings in ({"bpe": "gpt2", "gpt2_encoder_json": "https://host/encoder.json"}, {}):
        path = change(save_model(tmp_path), settings)
        given = {} if settings else {"bpe": "gpt2", "bpe_codes": tmp_path / "vocab.bpe"}
        text = load(path, **given).text
        assert (text["gpt2_encoder_json"], text["gpt2_vocab_bpe"]) == ('{"a": 0}', "#version: 0.2\n")


@pytest.mark.parametrize(
    ("mark", "kind", "message"),
    [
        ("{}@@", "subword_nmt", "holds subwords, but the codes .* are missing: give them with --bpe-codes"),
        ("▁{}", "sentencepiece", "holds subwords, but its SentencePiece model is missing: .* --sentencepiece-model"),
        ("Ġ{}", "gpt2", "holds subwords, but GPT-2's subwords are missing"),
    ],
)
def test_a_missing_splitter_is_said_and_the_kind_is_kept(tmp_path, mark, kind, message):
    path = marked(tmp_path, mark)
    with pytest.warns(RuntimeWarning, match=message):
        model = load(path)
    assert model.text["bpe"] == kind


def test_the_user_decides_on_the_splitting(tmp_path):
    path = marked(tmp_path)
    (tmp_path / "given").write_text("t h 9\n")
    model = load(path, bpe_codes=tmp_path / "given", tokenizer="moses")
    assert (model.text["bpe"], model.text["bpe_codes"]) == ("subword_nmt", "#version: 0.2\nt h\n")
    assert model.text["tokenizer"] == "moses"
    with pytest.warns(RuntimeWarning, match="codes .* are missing"):
        save_compact(load(path), tmp_path / "model.nmt")
    packed = load_model(tmp_path / "model.nmt", splitting=Splitting(bpe_codes=tmp_path / "given", tokenizer="moses"))
    assert packed.text == model.text


def test_the_kind_alone_leaves_what_is_stored(tmp_path):
    path = marked(tmp_path)
    (tmp_path / "given").write_text("t h 9\n")
    save_compact(load(path, bpe_codes=tmp_path / "given"), tmp_path / "model.nmt")
    packed = load_model(tmp_path / "model.nmt", splitting=Splitting(bpe="subword_nmt"))
    assert packed.text == load_model(tmp_path / "model.nmt").text
    assert packed.text["bpe_codes"]
    for kind in ("subword_nmt", "fastbpe"):  # whose codes are read alike
        assert load_model(tmp_path / "model.nmt", splitting=Splitting(bpe=kind)).text["bpe_codes"]
    other = load_model(tmp_path / "model.nmt", splitting=Splitting(bpe="none"))
    assert (other.text["bpe"], other.text.get("bpe_codes")) == ("none", None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"bpe": "bert"}, "--bpe bert is unknown; choose from sentencepiece"),
        ({"tokenizer": "nltk"}, "--tokenizer nltk is unknown; choose from moses"),
        ({"bpe": "sentencepiece", "bpe_codes": "x"}, "--bpe sentencepiece has no --bpe-codes"),
        ({"bpe_codes": "x", "sentencepiece_model": "x"}, "contradict each other"),
    ],
)
def test_flags_that_cannot_be(given, message):
    with pytest.raises(PruneError, match=message):
        Splitting(**given)


def test_what_is_given_must_be_there_and_fit(tmp_path):
    path = marked(tmp_path)
    with pytest.raises(PruneError, match=r"gone does not exist; give the file of the subwords"):
        load(path, bpe_codes=tmp_path / "gone")
    (tmp_path / "m").write_bytes(b"pieces")
    with pytest.raises(PruneError, match=r"dict.en.txt has subwords of the kind subword_nmt, not sentencepiece; name"):
        load(path, sentencepiece_model=tmp_path / "m")


def test_codes_of_another_model_are_said(tmp_path):
    path = marked(tmp_path, "{0}{0}{0}@@")
    (tmp_path / "codes").write_text(CODES)
    with pytest.warns(RuntimeWarning, match="20 subwords, but only 0 are in the subword model: is it another model's"):
        load(path, bpe_codes=tmp_path / "codes")
    merges = "".join(f"{c} {c}\n{c}{c} {c}\n" for c in map(chr, range(97, 117)))
    (tmp_path / "codes").write_text(f"#version: 0.2\n{merges}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(path, bpe_codes=tmp_path / "codes").text["bpe_codes"] == f"#version: 0.2\n{merges}"


def test_the_tokenizer_of_the_bleu_of_the_training(tmp_path):
    bleu = {"eval_bleu": True, "eval_bleu_detok": "moses", "eval_bleu_detok_args": '{"moses_no_escape": true}'}
    text = load(change(save_model(tmp_path), bleu)).text
    assert (text["tokenizer"], text["moses_no_escape"]) == ("moses", True)
    assert load(change(save_model(tmp_path), {**bleu, "eval_bleu": False})).text["tokenizer"] is None


@pytest.mark.parametrize(("clean", "expected"), [(True, "moses"), (False, None)])
def test_a_cleaned_corpus_is_normalised(tmp_path, clean, expected):
    path = save_model(tmp_path)
    (tmp_path / "data" / "manifest.json").write_text(json.dumps({"settings": {"clean": clean}}))
    save_compact(load(path), tmp_path / "model.nmt")
    assert load_compact(tmp_path / "model.nmt").text.get("normalisation") == expected


@pytest.mark.parametrize(
    "text",
    [
        {"bpe_codes": 5},
        {"bpe_codes": ""},
        {"bpe_separator": None},
        {"bpe": ["sentencepiece"]},
        {"source_lang": 1},
        {"tokenizer": {}},
        {"moses_no_escape": "yes"},
        {"normalisation": True},
        {"normalisation": "another"},
        {"gpt2_vocab_bpe": 1},
    ],
)
def test_types_are_checked(tmp_path, text):
    save_compact(replace(small_model(), text=text), tmp_path / "model.nmt")
    with pytest.raises(PruneError, match=rf"is damaged: {next(iter(text))}"):
        load_compact(tmp_path / "model.nmt")
