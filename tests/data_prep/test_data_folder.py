"""Data folders: what is in them, when they are made anew, and what is left when something fails."""

import json

import pytest

from data_prep import binarize as binarize_module
from data_prep.corpora import choose
from data_prep.corpora.numbers import generate
from data_prep.data_folder import prepare
from data_prep.digests import folder_digests
from data_prep.fetching import Fetching
from data_prep.pairs import write_sides
from data_prep.preparation import Preparation
from nmt_prune.errors import PruneError


@pytest.fixture
def make(tmp_path):
    """Makes ``tmp_path/NAME`` from the corpus numbers; returns (whether it was made, folder, lines reported)."""

    def run(name="data", force=False, workers=1, valid_size=24, test_size=16, **settings):
        corpus = choose("numbers", size=400, valid_size=valid_size, test_size=test_size)
        reported = []
        made = prepare(
            corpus,
            Preparation.of(corpus, **{"vocab_size": 120, **settings}),
            tmp_path / name,
            fetching=Fetching(tmp_path / "cache", reported.append),
            workers=workers,
            force=force,
        )
        return made, tmp_path / name, reported

    return run


def samples(folder, part, language):
    from fairseq.data import Dictionary, data_utils

    dictionary = Dictionary.load(str(folder / f"dict.{language}.txt"))
    data = data_utils.load_indexed_dataset(str(folder / f"{part}.en-de.{language}"), dictionary)
    return [dictionary.string(sample, bpe_symbol="sentencepiece") for sample in data], [len(sample) for sample in data]


@pytest.mark.parametrize("workers", [1, 3])
def test_the_same_settings_give_the_same_bytes(make, workers):
    first, second = make("a")[1], make("b", workers=workers)[1]
    digests = folder_digests(first)
    assert digests == folder_digests(second)
    assert {
        "sentencepiece.model",
        "manifest.json",
        "dict.en.txt",
        "raw/test.de",
        "train.en-de.de.bin",
    } <= digests.keys()
    assert not {"preprocess.log", "stage.json"} & digests.keys()


def test_sample_i_is_line_i_of_the_raw_text(make):
    folder = make(max_length=16)[1]
    for part, size in (("valid", 24), ("test", 16)):
        for language in ("en", "de"):
            raw = (folder / f"raw/{part}.{language}").read_text(encoding="utf-8").splitlines()
            sentences, lengths = samples(folder, part, language)
            assert sentences == raw
            assert len(raw) == size
            assert max(lengths) <= 16 + 1


def test_training_samples_are_the_pairs_that_are_short_enough_in_order(make):
    folder = make(max_length=16)[1]
    pairs = generate(3 * 24 + 3 * 16 + 400, "en", "de", 1)[-400:]
    sides = {language: samples(folder, "train", language) for language in ("en", "de")}
    found = list(zip(sides["en"][0], sides["de"][0], strict=True))
    assert found == [pair for pair in pairs if pair in set(found)]
    assert len(found) == json.loads((folder / "manifest.json").read_text())["pairs"]["train"] < 400
    assert max(max(lengths) for _, lengths in sides.values()) == 16 + 1


def test_the_manifest_says_what_was_done(make):
    folder = make(max_length=16)[1]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["settings"]["corpus"] == "numbers"
    assert manifest["settings"]["vocab_size"] == 120
    assert manifest["pairs"]["valid"] == 24
    assert manifest["left_out"].keys() == {"length"}
    assert manifest["pairs"]["train"] + manifest["left_out"]["length"] == 400
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


def test_another_vocabulary_does_not_clean_again(make):
    assert "fetching and cleaning training text" in make("a")[2]
    assert "fetching and cleaning training text" not in make("b", vocab_size=100)[2]
    assert "fetching and cleaning training text" in make("c", clean=True)[2]


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
    with monkeypatch.context() as broken:
        broken.setattr(binarize_module.sys, "executable", "/bin/false")
        with pytest.raises(PruneError, match="fairseq-preprocess failed: no message"):
            make(vocab_size=100, force=True)
        assert folder_digests(folder) == before
        with pytest.raises(PruneError):
            make("other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "data"]
    assert make("other")[2] == [
        "binarizing with fairseq-preprocess",
        f"{tmp_path}/other: 400 train, 24 valid, 16 test pairs",
    ]


def test_a_missing_fairseq_says_what_to_install(make, monkeypatch):
    monkeypatch.setattr(binarize_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PruneError, match="fairseq is not installed here; pip install"):
        make()


def test_a_limit_that_nothing_meets_is_refused(make, tmp_path):
    with pytest.raises(PruneError, match="no held-out pair has at most 1 subwords; raise --max-length"):
        make(max_length=1)
    with pytest.raises(PruneError, match="no train pair has at most 1 subwords; raise --max-length"):
        plain(tmp_path, max_length=1)


def test_fewer_held_out_pairs_than_asked_for_are_reported(make):
    reported = make(max_length=6)[2][-1].splitlines()
    assert any(line.startswith("note: valid has ") and line.endswith(" short enough, not 24") for line in reported)


@pytest.mark.parametrize("setting", [{"vocab_size": 3}, {"max_length": -1}, {"max_ratio": -0.5}, {"sample_size": -2}])
def test_values_out_of_range_name_their_flag(setting):
    flag = next(iter(setting)).replace("_", "-")
    with pytest.raises(PruneError, match=f"--{flag} -?[0-9.]+ is too small"):
        Preparation.of(choose("numbers"), **setting)


@pytest.mark.parametrize("part", ["valid", "test"])
def test_a_held_out_size_out_of_range_names_its_flag(make, part):
    with pytest.raises(PruneError, match=f"--{part}-size 0 is too small"):
        make(**{f"{part}_size": 0})


def test_identifying_languages_is_part_of_cleaning():
    with pytest.raises(PruneError, match="--identify-languages is part of cleaning; give --clean too"):
        Preparation.of(choose("numbers"), identify_languages=True)


def plain(folder, **settings):
    """Makes ``FOLDER/out`` from text files in ``FOLDER``, which are written if they are not there."""
    pairs = generate(416, "en", "de", 1)
    for part, chosen in (("train", pairs[16:]), ("valid", pairs[:8]), ("test", pairs[8:16])):
        if not (folder / f"{part}.en").exists():
            write_sides(chosen, folder, part, "en", "de")
    corpus = choose("plain", **{part: str(folder / part) for part in ("train", "valid", "test")})
    preparation = Preparation.of(corpus, **{"vocab_size": 120, **settings})
    return prepare(corpus, preparation, folder / "out", fetching=Fetching(folder / "cache", lambda line: None))


def test_files_that_changed_are_noticed(tmp_path):
    assert plain(tmp_path)
    assert not plain(tmp_path)
    (tmp_path / "test.en").write_text("one\n" * 8)
    with pytest.raises(PruneError, match="was made with other input files; choose another --out, or --force"):
        plain(tmp_path)


def test_held_out_sets_that_are_given_stay_whole(tmp_path):
    assert plain(tmp_path, max_length=12)
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["pairs"]["valid"] == manifest["pairs"]["test"] == 8
    assert manifest["pairs"]["train"] < 400
