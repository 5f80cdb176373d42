"""Speed of a recipe's runs: what is measured and when, and what the report makes of it."""

import json
import subprocess

import pytest

from nmt_prune.evaluation.costs.speeds import measure_speeds
from nmt_prune.evaluation.records.scored_runs import read_runs
from nmt_prune.evaluation.report import write_report
from nmt_prune.evaluation.reports.figures.costs import SPEED, SPEED_INT8, draw
from nmt_prune.files import read_json
from tests.evaluation.corpus import corrupted, gathered, references, write_run

LINES = references(40)
SYSTEMS = {
    "dense_fairseq": {"tokens": 100, "cpu_seconds": 2.0},  # 50 tokens per second
    "dense_ctranslate2_int8": {"tokens": 100, "cpu_seconds": 0.5},  # 200
    "dense_int8": {"tokens": 120, "cpu_seconds": 0.3},  # 400
    "packed": {"tokens": 90, "cpu_seconds": 0.15},  # 600
    "packed_int8": {"tokens": 80, "cpu_seconds": 0.1},  # 800
}
DISK = {"csc": 2_000_000, "csc_deflated": 900_000, "packed": 500_000, "packed_int8": 200_000}


def costs(bleu: float) -> dict:
    exports = {"disk": DISK, "bleu": {"packed": bleu, "packed_int8": 40.0, "ctranslate2_int8": 41.0}, "notes": []}
    return {"costs": {"bytes_masked": 4, "bytes_used": 4, "cpu_ratio": 1.0, "cpu": None, "exports": exports}}


@pytest.fixture
def recipe(tmp_path):
    """Two scored runs with checkpoints, and a data folder."""
    folder, data = tmp_path / "runs/toy", tmp_path / "toy.en-de"
    (data / "raw").mkdir(parents=True)
    (data / "test.en-de.de.idx").touch()
    reference = data / "raw/test.de"
    reference.write_text("".join(f"{line}\n" for line in LINES), encoding="utf-8")
    write_run(folder, "dense-seed1", LINES, reference, technique="dense", sparsity=0.0, scores=costs(100.0))
    write_run(folder, "mp-50-seed1", corrupted(LINES, 0.3, 1), reference, scores=costs(42.0))
    for run in ("dense-seed1", "mp-50-seed1"):
        (folder / run / "checkpoint_best.pt").touch()
    return folder


@pytest.fixture
def program(monkeypatch):
    """Pretends that the program of the measurement ran; collects the names of the runs that it was given."""
    calls = []

    def run(command, env, **_):
        paths = command[command.index("--path") + 1].split(":")
        calls.append([path.split("/")[-2] for path in paths])
        calls_with.update(command=command, env=env)
        systems = [SYSTEMS, {"packed": SYSTEMS["packed"], "dense_fairseq": SYSTEMS["dense_fairseq"]}]
        runs = [{"sentences": 40, "systems": chosen, "notes": ["a note"]} for chosen in (systems * 2)[: len(paths) - 1]]
        return subprocess.CompletedProcess(command, 0, f"a line\n{json.dumps({'engine': 'fast', 'runs': runs})}\n", "")

    calls_with: dict = {}
    monkeypatch.setattr(subprocess, "run", run)
    return calls, calls_with


def test_each_run_is_measured_once_beside_the_dense_one(recipe, program):
    calls, last = program
    assert measure_speeds(read_runs(recipe))[1] == ()
    assert calls == [["dense-seed1", "dense-seed1", "mp-50-seed1"]]
    assert last["command"][2] == "nmt_prune.measuring.translation_speed"
    assert last["command"][-3:] == ["--cpu", "--batch-size", "8"]
    assert last["env"]["OMP_NUM_THREADS"] == "1"
    record = read_json(recipe / "dense-seed1/speed.json")
    assert (record["systems"], record["engine"], record["sentences"]) == (SYSTEMS, "fast", 40)
    measure_speeds(read_runs(recipe))
    assert len(calls) == 1


def test_other_scores_are_measured_anew(recipe, program):
    calls, _ = program
    measure_speeds(read_runs(recipe))
    for changed, measured in (("mp-50-seed1", ["mp-50-seed1"]), ("dense-seed1", ["dense-seed1", "mp-50-seed1"])):
        path = recipe / changed / "scores.json"
        path.write_text(path.read_text().replace('"seconds": 1.0', '"seconds": 2.0'))
        measure_speeds(read_runs(recipe))
        assert calls[-1] == ["dense-seed1", *measured]


def test_without_checkpoints_what_was_measured_stays(recipe, program):
    calls, _ = program
    measure_speeds(read_runs(recipe))
    for path in recipe.glob("*/checkpoint_best.pt"):
        path.unlink()
    row = gathered(recipe).rows[0].exports
    assert (measure_speeds(read_runs(recipe))[1], len(calls), row["tokens_per_cpu_second_packed"]) == (
        (),
        1,
        pytest.approx(600),
    )


def test_columns(recipe, program):
    measure_speeds(read_runs(recipe))
    full, partial = (row.exports for row in gathered(recipe).rows)
    assert full["tokens_per_cpu_second_packed"] == pytest.approx(600)
    assert full["speed_packed_to_dense_fairseq"] == pytest.approx(12)
    assert full["speed_packed_to_dense_ctranslate2_int8"] == pytest.approx(3)
    assert full["speed_packed_to_dense_int8"] == pytest.approx(1.5)
    assert full["speed_packed_int8_to_dense_fairseq"] == pytest.approx(16)
    assert full["speed_packed_int8_to_dense_ctranslate2_int8"] == pytest.approx(4)
    assert full["speed_packed_int8_to_dense_int8"] == pytest.approx(2)
    assert (full.engine, full.export_notes) == ("fast", ("a note",))
    assert partial["speed_packed_to_dense_fairseq"] == pytest.approx(12)
    assert (partial["speed_packed_to_dense_int8"], partial["tokens_per_cpu_second_packed_int8"]) == (None, None)


def test_the_report(recipe, program):
    report = write_report(recipe)
    assert [path.name for path in report.paths[-2:]] == ["speed.png", "speed.svg"]
    section = report.text.split("## Speed on a CPU")[1].split("\n")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section[4:6]]
    assert cells[0][3:] == [
        *("100.0 / 40.0", "41.0", "1 (dense)", "600 / 800"),
        *("12 / 16", "3 / 4", "1.5 / 2"),
    ]
    assert cells[1][3:] == ["42.0 / 40.0", "41.0", "1 (dense)", "600 / –", "12 / –", "–", "–"]
    assert "engine: fast" in report.text
    assert "- a note (all runs)." in section
    # Of the two, only the pruned model says something else in fairseq.
    assert [line for line in section if "42.00 packed." in line] == [
        f"- `mp-50-seed1`: BLEU {gathered(recipe).rows[1].bleu:.2f} in fairseq, 42.00 packed."
    ]
    found = read_json(recipe / "report/results.json")
    assert found["runs"][0]["exports"]["speed_packed_to_dense_int8"] == pytest.approx(1.5)
    assert found["aggregates"][0]["exports"]["tokens_per_cpu_second_dense_fairseq"] == pytest.approx(50)


def test_the_plot_has_the_dense_references(recipe, program):
    measure_speeds(read_runs(recipe))
    single, in_int8 = draw(gathered(recipe), "speed", [SPEED, SPEED_INT8]).axes
    for axes, speed, bleu in ((single, 12, 100.0), (in_int8, 16, 40.0)):
        (star,) = [line for line in axes.lines if line.get_marker() == "*"]
        assert (list(star.get_xdata()), list(star.get_ydata())) == ([pytest.approx(speed)], [pytest.approx(bleu)])
        marks = {line.get_label(): line.get_xdata()[0] for line in axes.lines if "engine" in str(line.get_label())}
        assert marks == {"dense int8, our engine": pytest.approx(8)}
        marks = {line.get_label(): line.get_xdata()[0] for line in axes.lines if "CTran" in str(line.get_label())}
        assert marks == {"dense int8, CTranslate2": pytest.approx(4)}
    assert [list(container.lines[0].get_xdata()) for container in single.containers] == [[pytest.approx(12)]]
    assert in_int8.containers == []


def test_a_failure_is_a_remark_of_the_report(recipe, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "KeyError: 'no'\n")
    monkeypatch.setattr(subprocess, "run", lambda command, **_: failed)
    last = write_report(recipe).text.split("\n")[-2]
    assert last.startswith("- Speed on a CPU was not measured for seed 1: fairseq-generate failed on ")
    assert last.endswith("dense-seed1/checkpoint_best.pt: KeyError: 'no'.")


def test_flags_that_only_fairseq_knows_are_a_remark(recipe, program):
    calls, _ = program
    for path in recipe.glob("*/scores.json"):
        path.write_text(path.read_text().replace('"generate_flags": []', '"generate_flags": ["--sampling"]'))
    (note,) = measure_speeds(read_runs(recipe))[1]
    assert "--sampling of fairseq-generate has no counterpart outside of it" in note
    assert calls == []


def test_a_damaged_file_is_refused_by_name(recipe, program):
    measure_speeds(read_runs(recipe))
    (recipe / "mp-50-seed1/speed.json").write_text('{"sentences": "many"}')
    with pytest.raises(Exception, match=r"mp-50-seed1/speed\.json: .*; delete the file and run the command again"):
        write_report(recipe)
