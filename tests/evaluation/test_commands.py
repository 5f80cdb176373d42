"""The commands ``nmt-prune score`` and ``nmt-prune report``."""

import csv
import json

import pytest
import torch
import typer
from typer.testing import CliRunner

from nmt_prune import __version__
from nmt_prune.cli.report import report
from nmt_prune.cli.score import score
from nmt_prune.data_digests import data_digest, known_digests
from nmt_prune.errors import PruneError
from nmt_prune.evaluation import scoring
from nmt_prune.evaluation.quality.text import write_lines
from nmt_prune.evaluation.quality.translation import Translation
from nmt_prune.files import file_digest
from tests.evaluation.corpus import corrupted, references, write_run

REFERENCES = references(40)


@pytest.fixture
def run():
    app = typer.Typer()
    for command in (score, report):
        app.command()(command)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=True)


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "toy.en-de"
    for part in ("valid", "test"):
        write_lines(folder / f"raw/{part}.de", REFERENCES)
        (folder / f"{part}.en-de.de.idx").touch()
    return folder


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint with one matrix, three quarters of which are zero."""
    weight = torch.zeros(4, 4)
    weight[0] = 1
    state = {
        "cfg": {"checkpoint": {"best_checkpoint_metric": "bleu"}},
        "model": {"encoder.layers.0.fc1.weight": weight},
        "extra_state": {"val_loss": 21.5, "best": 99.0},
    }
    torch.save(state, tmp_path / "checkpoint_best.pt")
    return tmp_path / "checkpoint_best.pt"


@pytest.fixture
def translations(monkeypatch):
    """Stands in for the translation; collects how it was called."""
    calls = []

    def translate(checkpoint, subset, decoding):
        calls.append((subset.name, decoding))
        return Translation(corrupted(REFERENCES, 0.2, seed=len(calls)))

    monkeypatch.setattr(scoring, "translate", translate)
    return calls


def test_score(run, data, checkpoint, translations, tmp_path):
    out = tmp_path / "run/scores.json"
    words = ["--data", data, "--checkpoint", checkpoint, "--out", out, "--beam", "4", "--lenpen", "0.6", "--", "--fp16"]
    result = run("score", *words)
    assert result.exit_code == 0, result.output
    scores = json.loads(out.read_text())
    assert f"BLEU {scores['bleu']:.2f}" in result.stdout
    assert "sparsity 75.00%" in result.stdout
    assert (scores["beam"], scores["lenpen"], scores["generate_flags"]) == (4, 0.6, ["--fp16"])
    assert (scores["subset"], scores["data"], scores["sentences"]) == ("test", "toy.en-de", 40)
    assert scores["sparsity"] == {"prunable": 0.75, "all": 0.75, "body": 0.75}
    assert (scores["dev_bleu"], scores["dev_bleu_from"]) == (21.5, "training")
    kept = scores["provenance"]
    assert kept["checkpoint_sha256"] == file_digest(checkpoint)
    assert kept["hypotheses_sha256"] == file_digest(out.parent / "hypotheses.test.txt")
    assert kept["data_sha256"] == data_digest(known_digests(data))
    assert kept["versions"]["nmt-prune"] == __version__
    assert (out.parent / "hypotheses.test.txt").read_text().split("\n")[:-1] == corrupted(REFERENCES, 0.2, seed=1)
    assert sorted(path.name for path in out.parent.iterdir()) == ["hypotheses.test.txt", "scores.json"]


def test_lines_that_are_too_long_are_named(run, data, checkpoint, monkeypatch, tmp_path):
    lines = [*REFERENCES[:2], "", *REFERENCES[3:]]
    monkeypatch.setattr(scoring, "translate", lambda *_: Translation(lines, (3,)))
    out = tmp_path / "scores.json"
    result = run("score", "--data", data, "--checkpoint", checkpoint, "--out", out, "--valid")
    assert result.exit_code == 0, result.output
    for name in ("test", "valid"):
        assert f"scored with an empty hypothesis: line 3 of {name}" in result.stderr
    scores = json.loads(out.read_text())
    assert (scores["left_out"], scores["dev_left_out"]) == ([3], [3])


def test_the_tokenizer_of_bleu(run, data, checkpoint, translations, tmp_path):
    words = ["--data", data, "--checkpoint", checkpoint, "--out", tmp_path / "scores.json", "--tokenize"]
    result = run("score", *words, "char")
    assert "tok:char" in result.stdout
    assert json.loads((tmp_path / "scores.json").read_text())["tokenize"] == "char"
    translations.clear()
    refused = run("score", *words, "word")
    assert isinstance(refused.exception, PruneError)
    assert "unknown tokenizer 'word'" in str(refused.exception)
    assert not translations


def test_score_with_a_translated_validation_set(run, data, checkpoint, translations, tmp_path):
    result = run("score", "--data", data, "--checkpoint", checkpoint, "--out", tmp_path / "scores.json", "--valid")
    assert result.exit_code == 0, result.output
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert [name for name, _ in translations] == ["test", "valid"]
    assert scores["dev_bleu_from"] == "translation"
    assert 0 < scores["dev_bleu"] < 100
    assert (tmp_path / "hypotheses.valid.txt").exists()


def test_dev_bleu_is_unknown_if_the_training_validated_by_loss(run, data, checkpoint, translations, tmp_path):
    state = torch.load(checkpoint)
    state["cfg"]["checkpoint"]["best_checkpoint_metric"] = "loss"
    torch.save(state, checkpoint)
    run("score", "--data", data, "--checkpoint", checkpoint, "--out", tmp_path / "scores.json")
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert (scores["dev_bleu"], scores["dev_bleu_from"]) == (None, None)


def test_a_failed_score_overwrites_nothing(run, data, checkpoint, monkeypatch, tmp_path):
    def fail(*_):
        raise PruneError("fairseq-generate failed")

    (tmp_path / "scores.json").write_text("old")
    monkeypatch.setattr(scoring, "translate", fail)
    result = run("score", "--data", data, "--checkpoint", checkpoint, "--out", tmp_path / "scores.json")
    assert isinstance(result.exception, PruneError)
    assert (tmp_path / "scores.json").read_text() == "old"
    assert not (tmp_path / "hypotheses.test.txt").exists()


def test_report(run, data, tmp_path):
    recipe, reference = tmp_path / "runs/toy", data / "raw/test.de"
    write_run(recipe, "dense-seed1", corrupted(REFERENCES, 0.2, 1), reference, technique="dense", sparsity=0.0)
    write_run(recipe, "mp-50-seed1", corrupted(REFERENCES, 0.6, 2), reference)
    result = run("report", recipe)
    assert result.exit_code == 0, result.output
    files = ["results.csv", "results.json", "table.md", "report.html", "bleu.png", "bleu.svg"]
    assert [line.split("/")[-1] for line in result.stdout.split("\n")[-7:-1]] == files
    assert sorted(path.name for path in (recipe / "report").iterdir()) == sorted(files)
    assert (recipe / "report/table.md").read_text() in result.stdout
    with (recipe / "report/results.csv").open() as file:
        assert [line["run"] for line in csv.DictReader(file)] == ["dense-seed1", "mp-50-seed1"]
    numbers = json.loads((recipe / "report/results.json").read_text())
    assert numbers["convention"]["beam"] == 5
    assert [entry["cell"]["technique"] for entry in numbers["aggregates"]] == ["dense", "mp"]
    assert numbers["aggregates"][1]["significant"] is True


def test_the_same_report_again_has_the_same_bytes(run, data, tmp_path):
    recipe = tmp_path / "runs/toy"
    write_run(recipe, "mp-50-seed1", REFERENCES, data / "raw/test.de")
    contents = []
    for _ in range(2):
        assert run("report", recipe).exit_code == 0
        contents.append({path.name: path.read_bytes() for path in (recipe / "report").iterdir()})
    assert contents[0] == contents[1]


def test_report_without_matplotlib(run, data, tmp_path, monkeypatch):
    write_run(tmp_path / "toy", "mp-50-seed1", REFERENCES, data / "raw/test.de")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = run("report", tmp_path / "toy")
    assert isinstance(result.exception, PruneError)
    assert "nmt-prune[experiments]" in str(result.exception)
    assert not (tmp_path / "toy/report").exists()
