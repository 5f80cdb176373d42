"""Data folders: what is in them, when they are made anew, and what is left when something fails."""

import json

import pytest

from data_prep import binarize as binarize_module
from data_prep.corpora import choose
from data_prep.digests import folder_digests
from data_prep.pairs import Pair, Splits
from data_prep.preparation import Preparation, prepare, within_limits
from nmt_prune.errors import PruneError


class Words:
    """A segmenter whose subwords are words."""

    def lengths(self, pairs: list[Pair]) -> list[int]:
        return [max(len(side.split()) for side in pair) for pair in pairs]


@pytest.fixture
def make(tmp_path):
    """Makes ``tmp_path/NAME`` from the corpus numbers; returns (whether it was made, folder, lines reported)."""

    def run(name="data", force=False, size=400, **settings):
        corpus = choose("numbers", size=size)
        given = {"vocab_size": 120, "valid_size": 24, "test_size": 16, **settings}
        reported = []
        made = prepare(
            corpus,
            Preparation.of(corpus, **given),
            tmp_path / name,
            cache=tmp_path / "cache",
            report=reported.append,
            force=force,
        )
        return made, tmp_path / name, reported

    return run


def test_the_same_settings_give_the_same_bytes(make):
    first, second = make("a")[1], make("b")[1]
    digests = folder_digests(first)
    assert digests == folder_digests(second)
    assert {
        "sentencepiece.model",
        "manifest.json",
        "dict.en.txt",
        "raw/test.de",
        "train.en-de.de.bin",
    } <= digests.keys()
    assert "preprocess.log" not in digests


def test_sample_i_is_line_i_of_the_raw_text(make):
    from fairseq.data import Dictionary, data_utils

    folder = make(max_length=16)[1]
    dictionary = Dictionary.load(str(folder / "dict.de.txt"))
    for part, size in (("train", None), ("valid", 24), ("test", 16)):
        for language in ("en", "de"):
            raw = (folder / f"raw/{part}.{language}").read_text(encoding="utf-8").splitlines()
            samples = data_utils.load_indexed_dataset(str(folder / f"{part}.en-de.{language}"), dictionary)
            assert len(samples) == len(raw) == (size or len(raw))
            assert [dictionary.string(sample, bpe_symbol="sentencepiece") for sample in samples] == raw
            assert max(len(sample) for sample in samples) <= 16 + 1


def test_the_manifest_says_what_was_done(make):
    folder = make(max_length=16)[1]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["settings"]["corpus"] == "numbers"
    assert manifest["settings"]["vocab_size"] == 120
    assert manifest["pairs"]["valid"] == 24
    assert manifest["pairs"]["train"] + manifest["too_long"] == 400
    assert manifest["too_long"] > 0
    files = folder_digests(folder)
    del files["manifest.json"]
    assert manifest["files"] == files


def test_a_finished_folder_is_left_alone_and_other_settings_need_force(make):
    made, folder, _ = make()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    made_again, _, reported = make()
    assert (made, made_again, reported) == (True, False, [f"{folder} is up to date"])
    with pytest.raises(PruneError, match="was made with vocab_size 120, not 100; choose another --out, or --force"):
        make(vocab_size=100)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert make(vocab_size=100, force=True)[0]
    assert len((folder / "dict.en.txt").read_text().splitlines()) == 96


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_of_the_users_is_never_replaced(make, tmp_path, force):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/thesis.txt").write_text("years of work")
    with pytest.raises(PruneError, match="exists and is not a data folder; choose another --out"):
        make(force=force)
    assert (tmp_path / "data/thesis.txt").read_text() == "years of work"


def test_a_failing_step_leaves_the_old_folder_and_nothing_else(make, tmp_path, monkeypatch):
    folder = make()[1]
    before = folder_digests(folder)
    monkeypatch.setattr(binarize_module.sys, "executable", "/bin/false")
    with pytest.raises(PruneError, match="fairseq-preprocess failed: no message"):
        make(vocab_size=100, force=True)
    assert folder_digests(folder) == before
    with pytest.raises(PruneError):
        make("other")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_missing_fairseq_says_what_to_install(make, monkeypatch):
    monkeypatch.setattr(binarize_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PruneError, match="fairseq is not installed here; pip install"):
        make()


def test_the_length_limit_chooses_held_out_sentences_that_fit():
    pairs = [Pair("a b c", "x"), Pair("a", "x y"), Pair("b", "y"), Pair("c", "z")]
    splits, limits = Splits(pairs, pairs, pairs, {}), Preparation(100, "unigram", 2, 2, 1)
    own = within_limits(splits, Words(), limits, fixed_heldout=False)
    assert (own.train, own.valid, own.test) == (pairs[1:], pairs[1:3], pairs[1:2])
    given = within_limits(splits, Words(), limits, fixed_heldout=True)
    assert (given.train, given.valid, given.test) == (pairs[1:], pairs, pairs)


def test_a_limit_that_nothing_meets_is_refused():
    pairs = [Pair("a b c", "x y z")]
    with pytest.raises(PruneError, match="no train pair has at most 2 subwords; raise --max-length"):
        within_limits(Splits(pairs, pairs, pairs, {}), Words(), Preparation(100, "unigram", 2, 1, 1), True)


def test_fewer_held_out_pairs_than_asked_for_are_reported(make):
    reported = make(max_length=6)[2]
    assert any(line.startswith("note: valid has ") and line.endswith(" short enough, not 24") for line in reported)


@pytest.mark.parametrize("setting", [{"vocab_size": 3}, {"max_length": -1}, {"valid_size": 0}, {"test_size": -2}])
def test_values_out_of_range_name_their_flag(setting):
    flag = next(iter(setting)).replace("_", "-")
    with pytest.raises(PruneError, match=f"--{flag} -?[0-9]+ is too small"):
        Preparation.of(choose("numbers"), **setting)


def test_files_that_changed_are_noticed(tmp_path):
    prefixes = {}
    for part, size in (("train", 400), ("valid", 8), ("test", 8)):
        for language, side in (("en", 0), ("de", 1)):
            pairs = choose("numbers", size=size).load(1, 1, tmp_path, lambda line: None).train
            (tmp_path / f"{part}.{language}").write_text("".join(f"{pair[side]}\n" for pair in pairs), encoding="utf-8")
        prefixes[part] = str(tmp_path / part)
    corpus = choose("plain", **prefixes)
    preparation = Preparation.of(corpus, vocab_size=120)
    arguments = {"cache": tmp_path, "report": lambda line: None}
    assert prepare(corpus, preparation, tmp_path / "out", **arguments)
    assert not prepare(corpus, preparation, tmp_path / "out", **arguments)
    (tmp_path / "test.en").write_text("one\n" * 8)
    with pytest.raises(PruneError, match="was made with other input files; choose another --out, or --force"):
        prepare(corpus, preparation, tmp_path / "out", **arguments)
