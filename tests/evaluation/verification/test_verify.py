import json
import shutil

import pytest
import typer
from typer.testing import CliRunner

from nmt_prune.cli.verify import verify
from nmt_prune.data_digests import data_digest, known_digests
from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.text import write_lines
from nmt_prune.evaluation.report import as_json
from nmt_prune.evaluation.reports.run_result import write_csv
from nmt_prune.files import file_digest, write_json
from tests.evaluation.corpus import corrupted, gathered, references, write_run

REFERENCES = references(40)


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "toy.en-de"
    write_lines(folder / "raw/test.de", REFERENCES)
    (folder / "test.en-de.de.bin").write_bytes(b"numbers")
    write_json(folder / "manifest.json", {"files": known_digests(folder)})
    return folder


@pytest.fixture
def recipe(tmp_path, data):
    """Two runs, the second made of the first, and their report."""
    folder = tmp_path / "runs/toy"
    dense = keep(folder / "dense-seed1", data, "dense", 0.0, {})
    last = dense / "checkpoint_last.pt"
    last.write_bytes(b"parent")
    settings = {"pruning": {"mask_from": "dense-seed1/checkpoint_last.pt"}}
    pruned = keep(folder / "mp-50-seed1", data, "mp", 0.5, settings)
    write_json(
        pruned / "pruning.json",
        {
            "parent_sha256": "of another version",
            "flags": {"mask_from": {"name": last.name, "sha256": file_digest(last)}},
        },
    )
    results = gathered(folder)
    write_csv(folder / "report/results.csv", results.rows)
    write_json(folder / "report/results.json", as_json(results))
    return folder


def keep(folder, data, technique, sparsity, settings):
    """A scored run with its provenance."""
    hypotheses = corrupted(REFERENCES, 0.2 + sparsity / 2, seed=1)
    about = {"technique": technique, "sparsity": sparsity, "settings": settings}
    write_run(folder.parent, folder.name, hypotheses, data / "raw/test.de", **about)
    (folder / "checkpoint_best.pt").write_bytes(folder.name.encode())
    edit(
        folder / "scores.json",
        provenance={
            "checkpoint_sha256": file_digest(folder / "checkpoint_best.pt"),
            "data_sha256": data_digest(known_digests(data)),
            "hypotheses_sha256": file_digest(folder / "hypotheses.test.txt"),
            "versions": {"nmt-prune": "0.1.0"},
            "git": None,
            "cpu_seconds": 1.0,
        },
    )
    return folder


def edit(path, **changes):
    write_json(path, json.loads(path.read_text()) | changes)


def invoke(*arguments):
    app = typer.Typer()
    app.command()(verify)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def lines(folder) -> list[str]:
    """What is said of the runs; the exit status fits."""
    result = invoke(folder)
    said = result.output.splitlines()
    assert result.exit_code == int(any(": differs: " in line for line in said)), result.output
    return said


def test_results_that_are_what_they_say(recipe):
    before = {path: path.stat().st_mtime_ns for path in recipe.rglob("*")}
    assert lines(recipe) == ["dense-seed1: ok", "mp-50-seed1: ok", f"{recipe}/report: ok"]
    assert lines(recipe / "mp-50-seed1") == ["mp-50-seed1: ok"]
    assert {path: path.stat().st_mtime_ns for path in recipe.rglob("*")} == before


def test_old_results_say_less(recipe):
    for run in ("dense-seed1", "mp-50-seed1"):
        edit(recipe / run / "scores.json", provenance=None)
    edit(recipe / "mp-50-seed1/pruning.json", flags={}, parent_sha256=None)
    said = "not recorded: digests of checkpoint, data and translations, versions, CPU time"
    parent = "not recorded: digest of the parent dense-seed1/checkpoint_last.pt"
    assert lines(recipe)[:2] == [f"dense-seed1: ok ({said})", f"mp-50-seed1: ok ({parent}; {said})"]


@pytest.mark.parametrize(
    ("file", "changes", "line"),
    [
        ("scores.json", {"bleu": 99.0}, "scores.json says bleu 99.0000, its translations give "),
        ("scores.json", {"ter": 1.0}, "scores.json says ter 1.0000, its translations give "),
        ("scores.json", {"tokenize": "char"}, "scores.json: signature of bleu "),
        ("scores.json", {"signatures": {"ter": "x"}}, "scores.json has no signature of bleu, chrf"),
        ("scores.json", {"bleu": "high"}, "scores.json: bleu: input should be a valid number"),
        (
            "scores.json",
            {"provenance": {"versions": {"nmt-prune": "9.0"}}},
            "was written by nmt-prune 9.0, and this is",
        ),
        ("run.json", {"nmt_prune": "0.10.0", "seed": {}}, "run.json was written by nmt-prune 0.10.0, and this is"),
        ("run.json", {"seed": 7}, "report/results.csv says seed 1, it is 7"),
    ],
)
def test_records_edited_by_hand(recipe, file, changes, line):
    edit(recipe / "mp-50-seed1" / file, **changes)
    said = lines(recipe)
    assert said[0] == "dense-seed1: ok"
    assert said[1].startswith("mp-50-seed1: differs: ")
    assert line in said[1]


def test_files_that_are_others(recipe, data):
    run = recipe / "mp-50-seed1"
    text = (run / "hypotheses.test.txt").read_text()
    (run / "hypotheses.test.txt").write_text(text.replace("falsch", "der", 1))
    assert "hypotheses.test.txt has changed since it was scored" in lines(recipe)[1]
    (run / "hypotheses.test.txt").unlink()
    assert lines(recipe)[1] == f"mp-50-seed1: differs: {run}/hypotheses.test.txt does not exist"
    (run / "hypotheses.test.txt").write_text(text)
    (run / "checkpoint_best.pt").write_bytes(b"another")
    assert lines(recipe)[1] == "mp-50-seed1: differs: checkpoint_best.pt is not the one that was scored"
    (run / "checkpoint_best.pt").unlink()
    (recipe / "dense-seed1/checkpoint_last.pt").write_bytes(b"another")
    assert lines(recipe)[1] == "mp-50-seed1: differs: its parent dense-seed1/checkpoint_last.pt has changed since"
    (recipe / "dense-seed1/checkpoint_last.pt").unlink()
    parent, own = "the parent dense-seed1/checkpoint_last.pt is not kept", "checkpoint_best.pt is not kept"
    assert lines(recipe)[1] == f"mp-50-seed1: ok (not checked: {parent}; not checked: {own})"
    (data / "test.en-de.de.bin").write_bytes(b"others")
    assert lines(recipe)[0].endswith("test.en-de.de.bin is not the one in the folder's manifest")
    edit(data / "manifest.json", files=known_digests(data) | {"raw/test.de": "0"})
    assert "holds other data than the run was scored with" in lines(recipe)[0]
    (data / "raw/test.de").write_text("another\n")
    assert "is not the one that the runs were scored with" in lines(recipe)[0]


def test_another_version_of_sacrebleu(recipe):
    path = recipe / "dense-seed1/scores.json"
    signatures = json.loads(path.read_text())["signatures"]
    here = signatures["bleu"].rpartition(":")[2]
    edit(path, signatures={name: one.replace(f"version:{here}", "version:2.0.0") for name, one in signatures.items()})
    assert lines(recipe / "dense-seed1") == [
        f"dense-seed1: ok (scored with sacreBLEU 2.0.0, {here} here gives the same)"
    ]
    edit(path, bleu=1.0)
    assert lines(recipe / "dense-seed1")[0].endswith(f"(scored with sacreBLEU 2.0.0, here is {here})")


def test_a_report_that_was_edited_or_is_old(recipe):
    table, numbers = recipe / "report/results.csv", recipe / "report/results.json"
    text, values = table.read_text(), json.loads(numbers.read_text())
    table.write_text(text.replace("checkpoint_best.pt", "checkpoint_last.pt", 1))
    assert "results.csv says checkpoint checkpoint_last.pt, it is checkpoint_best.pt" in lines(recipe)[0]
    table.write_text("".join(text.splitlines(keepends=True)[:2]))
    assert lines(recipe)[1] == "mp-50-seed1: differs: report/results.csv lacks mp-50-seed1; report again"
    table.unlink()
    values["aggregates"][0]["bleu"] = 99.0
    write_json(numbers, values)
    assert lines(recipe)[2] == (
        f"{recipe}/report: differs: report/results.json: aggregates are not those of the runs; report again"
    )


def test_what_is_not_scored_or_has_no_scores(recipe):
    shutil.rmtree(recipe / "report")
    (recipe / "dense-seed1/scores.json").unlink()
    write_json(
        recipe / "search-seed1/run.json", json.loads((recipe / "dense-seed1/run.json").read_text()) | {"step": "search"}
    )
    said = lines(recipe)
    assert (said[0], said[-1]) == ("dense-seed1: ok (not scored yet)", "search-seed1: ok (nothing to score: a search)")


def test_no_results(tmp_path):
    error = invoke(tmp_path).exception
    assert isinstance(error, PruneError)
    assert "holds no results" in str(error)
