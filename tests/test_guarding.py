"""What is wrong with an entry of one's own is one line that names file, entry and what is expected."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.prunable import parse
from nmt_prune.pruning.saliency import saliencies
from nmt_prune.registry import load_extension
from tests.toy import save_toy

HEAD = """
from __future__ import annotations
from dataclasses import dataclass
import torch
from nmt_prune.{package} import {base}, {registry}

@{registry}.register("mine")
@dataclass(frozen=True)
class Mine({base}):
"""
SALIENCY = HEAD.format(package="saliency", base="Saliency", registry="saliencies")
BUDGET = HEAD.format(package="budgets", base="Budget", registry="budgets")
GROUP = HEAD.format(package="groups", base="Group", registry="groups")
RESET = HEAD.format(package="resets", base="Reset", registry="resets")
SCHEDULE = HEAD.format(package="schedules", base="Schedule", registry="schedules")
SCORE = "    def score_matrix(self, prunable, weight):\n        return "


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (SALIENCY + SCORE + "weight.sum(0)", r"score_matrix returned a tensor of shape \(\d+,\) for \S+, expected \("),
        (SALIENCY + SCORE + "weight[:1].abs()", "score_matrix returned a tensor of shape"),
        (SALIENCY + SCORE + "weight * float('nan')", "score_matrix returned NaN for "),
        (SALIENCY + SCORE + "weight > 0", "score_matrix returned torch.bool for .*, expected a float tensor"),
        (SALIENCY + SCORE + "None", "score_matrix returned NoneType, expected Tensor"),
        (SALIENCY + SCORE + "weight.numpy()", "score_matrix returned ndarray, expected Tensor"),
        (SALIENCY + SCORE + "weight.magnitude()", "score_matrix failed: line 11: AttributeError: .*magnitude"),
        (SALIENCY + "    def score_matrix(self, weight):\n        return weight", "score_matrix failed: TypeError"),
        (SALIENCY + "    pass", r"saliency 'mine': Mine lacks score_matrix; see nmt_prune\.pruning\.saliency"),
        (SALIENCY + "    def __post_init__(self):\n        1 / 0\n" + SCORE + "weight", "line 11: ZeroDivisionError"),
        (
            SALIENCY + "    def score(self, weights, alive=None):\n        return []\n" + SCORE + "weight",
            "score returned list",
        ),
        (
            SALIENCY + "    def score(self, weights, alive=None):\n        return {}\n" + SCORE + "weight",
            "score returned None for .*, expected a float tensor of shape",
        ),
        (
            SALIENCY.replace("@dataclass(frozen=True)\n", "") + SCORE + "weight",
            r"put @dataclass\(frozen=True\) between",
        ),
        (
            SALIENCY.replace("(Saliency)", "") + SCORE + "weight",
            r"Mine does not extend nmt_prune\.pruning\.saliency\.Saliency",
        ),
        (SALIENCY.replace('"mine"', '"mine:x"') + SCORE + "weight", "'mine:x': a name has letters"),
        (
            BUDGET + "    def _distribute(self, scores, alive, sparsity, count):\n        return scores",
            "expected MaskSet",
        ),
        (
            BUDGET + "    def _distribute(self, scores, alive, sparsity, count):\n        return alive",
            r"kept \d+ weights",
        ),
        (
            BUDGET + "    def _distribute(self, scores, alive, count):\n        return alive",
            "_distribute failed: TypeError",
        ),
        (GROUP + "    def membership(self, prunable, among):\n        return 3", "membership returned int, expected"),
        (
            GROUP + "    def membership(self, prunable, among):\n        return among.x",
            "failed: line 11: AttributeError",
        ),
    ],
)
def test_a_wrong_entry_is_one_line(run, tmp_path, source, message):
    checkpoint = save_toy(tmp_path / "trained.pt")
    (tmp_path / "mine.py").write_text(source + "\n")
    kind = next(line for line in source.splitlines() if line.startswith("from nmt_prune")).split()[1].split(".")[1]
    flag = {"saliency": "--saliency", "budgets": "--budget", "groups": "--group"}[kind]
    arguments = (
        "mask",
        checkpoint,
        "--sparsity",
        0.5,
        "--out",
        "m.safetensors",
        "--extension",
        "mine.py",
        flag,
        "mine",
    )
    status, out, err = run(*arguments)
    assert (status, out) == (1, "")
    assert err.count("\n") == 1
    assert "mine" in err
    assert re.search(message, err), err
    assert not Path("m.safetensors").exists()


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (
            "    def survivors(self, prunable, weight, mask):\n        return weight[0]",
            "survivors returned a tensor of shape",
        ),
        (
            "    def survivors(self, prunable, weight, mask):\n        return 0",
            "survivors returned int, expected Tensor",
        ),
        (
            "    def base(self, trained, rewind_point):\n        return trained.x",
            "base failed: line 11: AttributeError",
        ),
        ("    def base(self, trained, rewind_point):\n        return None", "base returned NoneType, expected Mapping"),
        ("    def base(self, trained, rewind_point):\n        return {}", "base lacks \\S+, expected every tensor"),
    ],
)
def test_a_wrong_reset_is_one_line(run, tmp_path, method, message):
    checkpoint = save_toy(tmp_path / "trained.pt")
    (tmp_path / "mine.py").write_text(RESET + method + "\n")
    files = ("--mask-from", checkpoint, "--rewind-from", checkpoint, "--out", "t.pt")
    status, _, err = run("ticket", *files, "--sparsity", 0.5, "--extension", "mine.py", "--reset", "mine")
    assert status == 1
    assert err.count("\n") == 1
    assert re.search(message, err), err


@pytest.mark.parametrize(
    ("value", "message"),
    [("'much'", "sparsity returned str, expected float"), ("1.5", r"sparsity returned 1\.5, expected a share")],
)
def test_a_wrong_schedule_is_one_line(tmp_path, value, message):
    from nmt_prune.pruning.schedules import schedules

    name = f"mine-{len(value)}"
    source = SCHEDULE.replace('"mine"', repr(name))
    source += f"    settled_at = property(lambda self: 0)\n    def sparsity(self, update):\n        return {value}\n"
    (tmp_path / "mine.py").write_text(source)
    load_extension(tmp_path / "mine.py")
    with pytest.raises(PruneError, match=message):
        schedules.build(name, final=0.5).sparsity(3)


@pytest.mark.parametrize("result", ["{}", "{name: torch.zeros(3) for name in probe.parameters}"])
def test_a_measured_saliency_without_the_right_scores_is_one_line(tmp_path, result):
    source = SALIENCY.replace("Saliency", "MeasuredSaliency")
    (tmp_path / "mine.py").write_text(source + f"    def measure(self, probe):\n        return {result}\n")
    load_extension(tmp_path / "mine.py")
    weights = {parse("encoder.layers.0.fc1.weight", (1, 2)): torch.ones(1, 2)}

    class Evidence:
        def probe(self, weights, alive):
            return SimpleNamespace(parameters={prunable.name: weight for prunable, weight in weights.items()})

    scores = saliencies.build("mine", evidence=Evidence()).score(weights)
    with pytest.raises(PruneError, match=r"saliency 'mine': .* for encoder\.layers\.0\.fc1\.weight, expected"):
        scores["encoder.layers.0.fc1.weight"]


def test_the_traceback_is_shown_when_asked_for(run, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("1 / 0\n")
    assert "Traceback" not in run("list", "--extension", "mine.py")[2]
    monkeypatch.setenv("NMT_PRUNE_TRACEBACK", "1")
    status, _, err = run("list", "--extension", "mine.py")
    assert status == 1
    assert "Traceback" in err
    assert err.endswith("NMT_PRUNE_TRACEBACK=1 in the environment shows the traceback\n")


def test_list_has_the_entries_of_extensions(run, tmp_path):
    for name in ("one", "two"):
        source = (SALIENCY + '    """Mine."""\n' + SCORE + "weight").replace('"mine"', repr(name))
        (tmp_path / f"{name}.py").write_text(source + "\n")
    status, out, _ = run("list", "--extension", "one.py", "--extension", "two.py")
    assert status == 0
    assert {"one", "two"} <= {line.split()[0] for line in out.splitlines() if line.startswith("  ")}
