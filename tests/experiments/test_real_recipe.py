"""A shipped recipe, made smaller, for real: data, fairseq trainings, scores and report, from the command line.

Once with programs of their own that Snakemake starts, as a user has it, for a dense model alone. What the longer one
asks is what ``frontier-numbers`` asks: what each ingredient of the recommended technique brings. All the other
techniques are in test_systems.py.
"""

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import nmt_prune
from tests.drawings import texts_of_both
from tests.experiments.recipes import run_in_one_process

pytestmark = pytest.mark.slow

SHIPPED = Path(nmt_prune.__file__).parent / "recipes" / "frontier-numbers.yaml"


def recipe() -> dict[str, Any]:
    """The rung at which least is left, without what only controls for size and updates."""
    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    techniques = [technique for technique in shipped["techniques"] if technique != "slt"]
    small = shipped | {"name": "small", "ladder": [98], "techniques": techniques, "controls": []}
    small["corpus"] |= {"size": 4000, "test_size": 80, "valid_size": 40}
    small["model"] |= {"max-target-positions": 48}  # models of so few weights do not end their sentences
    return small


def test_snakemake_starts_programs_of_their_own(tmp_path):
    short = recipe() | {"techniques": []}
    short["corpus"] |= {"size": 400, "test_size": 10, "valid_size": 10}
    short["training"] |= {"max-update": 20, "warmup-updates": 5}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(short), encoding="utf-8")
    command = [sys.executable, "-m", "nmt_prune.cli", "run", "small.yaml", "--cores", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    with (tmp_path / "runs/small/report/results.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["technique"], row["total_updates"]) == ("dense", "20")
    assert row["bleu"]
    assert row["mb_packed"]
    assert "| dense" in done.stdout


def test_a_recipe_is_trained_pruned_scored_and_reported(tmp_path):
    done = run_in_one_process(tmp_path, yaml.safe_dump(recipe()))
    assert done.returncode == 0, done.stderr[-2000:]
    runs = tmp_path / "runs" / "small"
    with (runs / "report" / "results.csv").open(encoding="utf-8") as file:
        rows = {row["technique"]: row for row in csv.DictReader(file)}
    updates = {name: int(row["total_updates"]) for name, row in rows.items()}
    assert updates == {"dense": 300, "mp": 300, **dict.fromkeys(("ladder-gmp", "same-rate", "same-density"), 600)}
    for name, row in rows.items():
        assert float(row["sparsity_prunable"]) == pytest.approx(0.98 if name != "dense" else 0, abs=1e-4)
    assert float(rows["dense"]["bleu"]) > 60  # number words are learned almost perfectly
    # chrF, since models of so few weights hardly write a word: 57 with all ingredients, 41 and 32 with one less, 10.
    reached = {name: float(row["chrf"]) for name, row in rows.items()}
    for without in ("same-rate", "same-density"):
        assert reached["ladder-gmp"] > reached[without] + 5 > reached["mp"] + 10
    assert {"dense (300)", "GMP by rungs (600)", "98"} <= texts_of_both(runs / "report" / "bleu")
    assert "| 98 %" in done.stdout
    trained = {path: path.stat().st_mtime_ns for path in runs.glob("*/checkpoint_last.pt")}
    again = run_in_one_process(tmp_path, yaml.safe_dump(recipe()))
    assert again.returncode == 0, again.stderr[-2000:]
    assert {path: path.stat().st_mtime_ns for path in runs.glob("*/checkpoint_last.pt")} == trained
