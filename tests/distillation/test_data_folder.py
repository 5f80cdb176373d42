"""Distilled data folders of a real teacher: what is in them, and that a kill leaves no trace."""

import shutil
from dataclasses import replace
from statistics import mean

import pytest
from fairseq.data import Dictionary, data_utils

from data_prep.digests import folder_digests
from nmt_prune.distillation import data_folder
from nmt_prune.distillation.data_folder import distill
from nmt_prune.distillation.settings import Distillation
from nmt_prune.errors import PruneError
from nmt_prune.files import read_json, write_json
from nmt_prune.runtime.settings.search_options import SearchOptions
from nmt_prune.runtime.translator import Translator
from nmt_prune.storage.checkpoints.vocabularies import is_cleaned
from nmt_prune.text.bleu import bleu_metric
from tests.tasks.corpus import make_corpus
from tests.tasks.training import train

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def teacher(corpus, tmp_path_factory):
    return train(corpus, tmp_path_factory.mktemp("teacher"), "--max-update 60").folder / "checkpoint_last.pt"


@pytest.fixture
def settings(corpus, teacher):
    return Distillation(teacher, corpus, beam=2)


def make(settings, out, **options):
    lines = []
    made = distill(settings, out, report=lines.append, **options)
    return made, lines


def sentences(data, language):
    words = Dictionary.load(str(data / f"dict.{language}.txt"))
    dataset = data_utils.load_indexed_dataset(str(data / f"train.en-de.{language}"), words)
    return [words.string(dataset[index]) for index in range(len(dataset))]


def test_targets_are_the_teachers_translations(settings, corpus, teacher, tmp_path):
    made, lines = make(settings, tmp_path / "distilled")
    assert made
    sources = sentences(tmp_path / "distilled", "en")
    manifest = read_json(tmp_path / "distilled" / "manifest.json")
    assert manifest["pairs"]["train"] == manifest["counts"]["translated"] == len(sources)
    assert sum(manifest["counts"].values()) == len(sentences(corpus, "en"))
    options = SearchOptions(beam=2, max_len_a=2, max_len_b=10)
    found = Translator(teacher, data=corpus).translate_lines(sources, options)
    assert [result.lines[0] for result in found] == sentences(tmp_path / "distilled", "de")
    assert lines[-1].startswith(f"{tmp_path / 'distilled'}: {len(sources)} training pairs")
    beside = {path: digest for path, digest in folder_digests(corpus).items() if not path.startswith(("train", "prep"))}
    assert beside.items() <= folder_digests(tmp_path / "distilled").items()
    assert make(settings, tmp_path / "distilled") == (False, [f"{tmp_path / 'distilled'} is up to date"])


def test_fairseq_gives_the_same(settings, tmp_path):
    make(settings, tmp_path / "ours")
    make(replace(settings, engine="fairseq"), tmp_path / "fairseqs")
    assert sentences(tmp_path / "ours", "de") == sentences(tmp_path / "fairseqs", "de")


def test_best_of_several_is_nearer_to_the_reference(settings, corpus, tmp_path):
    make(replace(settings, beam=4), tmp_path / "first")
    make(replace(settings, beam=4, best_of=4), tmp_path / "nearest")
    metric = bleu_metric(effective_order=True)
    reference = dict(zip(sentences(corpus, "en"), sentences(corpus, "de"), strict=True))

    def bleu(name):
        lines = zip(sentences(tmp_path / name, "de"), sentences(tmp_path / name, "en"), strict=True)
        return mean(metric.sentence_score(line, [reference[source]]).score for line, source in lines)

    assert bleu("nearest") > bleu("first") + 1


def test_a_kill_leaves_no_trace(settings, monkeypatch, tmp_path):
    monkeypatch.setattr(data_folder, "_PAIRS_PER_BLOCK", 150)
    make(settings, tmp_path / "whole")
    told = []

    class Killed(data_folder.Progress):
        def at(self, done, total):
            told.append(done)
            if len(told) == 2:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(data_folder, "Progress", Killed)
        with pytest.raises(KeyboardInterrupt):
            make(settings, tmp_path / "killed")
    assert not (tmp_path / "killed").exists()
    with pytest.raises(PruneError, match=r"\.killed\.work is unfinished work of .* beam 2, not 3; .*--force"):
        make(replace(settings, beam=3), tmp_path / "killed")
    make(settings, tmp_path / "killed", workers=2)
    whole, killed = (folder_digests(tmp_path / name) for name in ("whole", "killed"))
    assert whole == killed
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.endswith(".work")) == []


def test_a_folder_of_other_settings(settings, tmp_path):
    make(settings, tmp_path / "out")
    before = folder_digests(tmp_path / "out")
    with pytest.raises(PruneError, match="holds a distillation with beam 2, not 3; choose another --out, or --force"):
        make(replace(settings, beam=3), tmp_path / "out")
    assert folder_digests(tmp_path / "out") == before
    assert make(replace(settings, beam=3), tmp_path / "out", force=True)[0]
    assert read_json(tmp_path / "out" / "manifest.json")["settings"]["beam"] == 3


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_that_is_somebody_elses(settings, corpus, tmp_path, force):
    (tmp_path / "thesis").mkdir()
    with pytest.raises(PruneError, match="thesis exists and was not made by nmt-prune distill; choose another --out"):
        make(settings, tmp_path / "thesis", force=force)
    for out in (corpus, corpus.parent):
        with pytest.raises(PruneError, match=f"--out {out} holds --data {corpus}, which is read; choose another"):
            make(settings, out, force=force)
    assert (corpus / "train.en-de.en.bin").exists()
    with pytest.raises(PruneError, match=r"lies in --data .*, all of which is copied there; choose another --out"):
        make(settings, corpus / "sub", force=force)


def test_a_cleaned_corpus_stays_one(settings, corpus, tmp_path):
    """Or a student would be packed without the normalisation of its text."""
    cleaned = tmp_path / "cleaned"
    shutil.copytree(corpus, cleaned)
    write_json(cleaned / "manifest.json", {"settings": {"clean": True}, "files": folder_digests(cleaned)})
    make(replace(settings, data=cleaned), tmp_path / "out")
    assert is_cleaned(tmp_path / "out")
    older = read_json(tmp_path / "out" / "manifest.json")
    del older["settings"]["clean"]
    write_json(tmp_path / "out" / "manifest.json", older)
    assert not make(replace(settings, data=cleaned), tmp_path / "out")[0]
    assert is_cleaned(tmp_path / "out"), "of an older version, which did not say"
    make(settings, tmp_path / "other")
    assert not is_cleaned(tmp_path / "other")


def test_a_teacher_with_other_dictionaries(settings, tmp_path):
    (tmp_path / "other").mkdir()
    other = make_corpus(tmp_path / "other", words=[f"{word}en" for word in "abcdefghij"])
    with pytest.raises(PruneError, match=r"its source dictionary is not the one that .*checkpoint_last.pt was trained"):
        make(replace(settings, data=other), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_teacher_of_the_other_direction(settings, corpus, tmp_path):
    teacher = train(corpus, tmp_path / "reversed", "--max-update 1 -s de -t en").folder / "checkpoint_last.pt"
    with pytest.raises(PruneError, match=r"translates de-en, and --data .* is en-de; give a teacher of the same dir"):
        make(replace(settings, teacher=teacher), tmp_path / "out")


def test_no_data(settings, tmp_path):
    with pytest.raises(PruneError, match="has no binarized subset 'train' of one language pair"):
        make(replace(settings, data=tmp_path), tmp_path / "out")


def test_on_a_gpu_other_weights_are_still_this_toolkits(run, settings, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    words = ["--teacher", settings.teacher, "--data", settings.data, "--out", tmp_path / "out", "--values", "int8"]
    assert run("distill", *words)[0] == 0
    assert read_json(tmp_path / "out" / "manifest.json")["settings"]["engine"] == "auto"


def test_the_command(run, settings, tmp_path):
    arguments = ("--teacher", settings.teacher, "--data", settings.data, "--out", tmp_path / "out", "--beam", 2)
    status, out, errors = run("distill", *arguments)
    assert (status, out) == (0, "")
    assert "INFO" not in errors
    assert errors.splitlines()[-1].startswith(f"{tmp_path / 'out'}: ")
    status, _, errors = run("distill", *arguments, "--engine", "marian")
    assert (status, errors) == (
        1,
        "nmt-prune: error: --engine marian is unknown; choose auto, compiled, torch or fairseq\n",
    )
