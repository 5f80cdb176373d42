"""What became of the time of a sweep that was run."""

import os

import pytest

from nmt_prune.files import write_json
from tests.benchmarks.sweep import of_runs, run


def step(folder, name, begin, seconds):
    folder.mkdir(exist_ok=True)
    write_json(folder / name, {"seconds": seconds})
    os.utime(folder / name, (begin + seconds, begin + seconds))


def test_two_sittings_with_a_gap_in_each(tmp_path):
    step(tmp_path / "a", "trained.json", 1000, 300)
    step(tmp_path / "b", "trained.json", 1000, 310)
    step(tmp_path / "a", "scores.json", 1310, 10)  # ten seconds after its training
    step(tmp_path / "c", "trained.json", 5000, 200)
    step(tmp_path / "d", "trained.json", 5005, 195)
    found = of_runs(tmp_path)
    assert (found["trainings"], found["steps"]) == (4, 5)
    assert found["sittings"] == 2
    assert found["hours"] * 3600 == 320 + 200
    assert found["seconds"] == (300 + 310 + 200 + 195) / 4
    assert found["× trainings"] == 2 * 520 / 1005
    assert found["× steps"] == 2 * 520 / 1015


LAST = """
[Mon Nov 30 07:31:38 2026]
localrule data:
[Mon Nov 30 07:31:40 2026]
Finished jobid: 4 (Rule: data)
[Mon Nov 30 07:31:40 2026]
localrule train_a-seed1:
[Mon Nov 30 07:31:40 2026]
rule train_b-seed1:
[Mon Nov 30 07:33:20 2026]
Finished jobid: 1 (Rule: train_a-seed1)
[Mon Nov 30 07:33:22 2026]
localrule score_a-seed1:
[Mon Nov 30 07:33:32 2026]
Finished jobid: 2 (Rule: score_a-seed1)
[Mon Nov 30 07:33:30 2026]
Finished jobid: 3 (Rule: train_b-seed1)
"""


def test_the_last_sitting_by_snakemakes_log(tmp_path):
    step(tmp_path / "a", "trained.json", 1000, 300)
    (tmp_path / "snakemake.log").write_text(LAST)
    found = of_runs(tmp_path)
    assert (found["training"], found["scoring"]) == (105, 10)
    assert found["× both"] == 2 * 112 / 220


@pytest.mark.parametrize("name", [".", "missing"])
def test_a_folder_without_runs_is_named(tmp_path, capsys, name):
    run(tmp_path / name)
    assert f"{tmp_path / name} has no */trained.json" in capsys.readouterr().out
