"""The check of a GPU, tried on a CPU with tiny sizes."""

import json
import logging

import pytest
import torch

from nmt_prune.masks.prunable import prunable_matrices
from tests.benchmarks import gpu_check, gpu_steps, mask_changes
from tests.benchmarks.gpu_check import Findings, measure_masks, measure_steps, tables
from tests.benchmarks.gpu_steps import Shape
from tests.toy import toy_model

TINY = Shape(width=16, units=32, heads=2, layers=1, vocabulary=40, sentences=3, length=5)


@pytest.fixture(autouse=True)
def _logs_again():
    """Benchmarks silence fairseq for the rest of their process."""
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.slow
def test_every_part_with_tiny_sizes(monkeypatch, tmp_path, capsys):
    half = ("--memory-efficient-fp16", "--fp16-init-scale", "4")
    precisions = {"fp32": (), "fp16": half, "amiss": ("--fp16", "--bf16")}
    monkeypatch.setattr(gpu_check, "PRECISIONS", precisions)
    monkeypatch.setattr(mask_changes, "SPARSITY", 0.5)
    monkeypatch.setattr(gpu_check, "random_matrices", lambda size: prunable_matrices(toy_model()))
    findings = Findings(tmp_path / "found.json", 100)
    for part, rows in (
        ("masks", measure_masks("cpu", ("tiny",), rounds=2)),
        ("steps", measure_steps("cpu", {"tiny": TINY}, findings, rounds=3)),
    ):
        for row in rows:
            findings.add(part, row)
            assert json.loads(findings.path.read_text())[part][-1].keys() == row.keys()
    found = json.loads(findings.path.read_text())
    assert [(row["budget"], len(row["rounds"])) for row in found["masks"]] == [("matrix", 2), ("global", 2)]
    measured = [row for row in found["steps"] if "ratio" in row]
    assert [(row["precision"], row["update-freq"]) for row in measured] == [
        ("fp32", 1),
        ("fp32", 4),
        ("fp16", 1),
        ("fp16", 4),
    ]
    assert all(row["steps"] == 3 and row["stock s"] > 0 for row in measured)
    assert [row["precision"] for row in found["steps"] if "skipped" in row] == ["amiss"]
    assert [table.row_count for table in tables(findings.found)] == [0, 2, len(found["steps"])]


def test_what_there_is_no_time_for_is_named(tmp_path):
    rows = list(measure_steps("cpu", {"tiny": TINY}, Findings(tmp_path / "found.json", 0)))
    assert [row["precision"] for row in rows] == list(gpu_steps.PRECISIONS)
    assert {row["skipped"] for row in rows} == {"no time left"}


def test_without_a_gpu_nothing_is_claimed(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["gpu_check", "--out", str(tmp_path / "found.json")])
    assert gpu_check.main() == 0
    assert "sees no GPU here: nothing was tested or measured" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
