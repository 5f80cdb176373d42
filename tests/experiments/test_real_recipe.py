"""One small recipe for real: data, fairseq trainings, translation, scores and report, from the command line."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.drawings import texts_of_both

pytestmark = pytest.mark.slow

RECIPE = """
name: small
corpus: {name: numbers, vocab_size: 150, model_type: bpe, size: 4000, test_size: 80, valid_size: 40}
model:
  arch: masked_transformer_tiny
  encoder-ffn-embed-dim: 128
  decoder-ffn-embed-dim: 128
  encoder-attention-heads: 4
  decoder-attention-heads: 4
  encoder-normalize-before: true
  decoder-normalize-before: true
  share-all-embeddings: true
training:
  max-update: 200
  max-tokens: 1000
  optimizer: adam
  adam-betas: (0.9, 0.98)
  lr: 0.005
  lr-scheduler: inverse_sqrt
  warmup-updates: 40
  dropout: 0.0
  criterion: label_smoothed_cross_entropy
  label-smoothing: 0.1
  validate-interval: 1000
  save-interval: 1000
  eval-bleu-args: {beam: 1, max_len_a: 1.2, max_len_b: 10}
ladder: [80]
techniques: [slt]
"""


def run_recipe(folder: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "nmt_prune.cli", "run", "small.yaml", "--cores", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)


def test_a_recipe_is_trained_pruned_scored_and_reported(tmp_path):
    (tmp_path / "small.yaml").write_text(RECIPE, encoding="utf-8")
    done = run_recipe(tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    runs = tmp_path / "runs" / "small"
    with (runs / "report" / "results.csv").open(encoding="utf-8") as file:
        rows = {row["run"]: row for row in csv.DictReader(file)}
    # All the other techniques are in test_systems.py.
    updates = {name: int(row["total_updates"]) for name, row in rows.items()}
    assert updates == {"dense-seed1": 200, "slt-80-seed1": 400}
    assert float(rows["slt-80-seed1"]["sparsity_prunable"]) == pytest.approx(0.8, abs=1e-4)
    # Number words are learned almost perfectly; a lottery ticket of a fifth of the weights trains as well.
    assert float(rows["dense-seed1"]["bleu"]) > 60
    assert float(rows["slt-80-seed1"]["bleu"]) > 60
    assert {"dense (200)", "SLT (400)", "80"} <= texts_of_both(runs / "report" / "bleu")
    assert "| 80 %" in done.stdout
    trained = {path: path.stat().st_mtime_ns for path in runs.glob("*/checkpoint_last.pt")}
    again = run_recipe(tmp_path)
    assert again.returncode == 0, again.stderr[-2000:]
    assert {path: path.stat().st_mtime_ns for path in runs.glob("*/checkpoint_last.pt")} == trained
