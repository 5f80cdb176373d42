"""The README says what the code does: its example runs, its tables are complete."""

import re
from dataclasses import fields
from pathlib import Path

import torch

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.experiments.techniques import DENSE_LONGER, TECHNIQUES
from nmt_prune.masks.mask_file import load_masks
from nmt_prune.tasks.config import TranslationPruningConfig
from tests.toy import save_toy

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_extension_example_runs(tmp_path, monkeypatch):
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example is not None
    (tmp_path / "row_scaled.py").write_text(example[1], encoding="utf-8")
    checkpoint, out = save_toy(tmp_path / "trained.pt"), tmp_path / "m.safetensors"
    arguments = ["mask", checkpoint, "--sparsity", 0.5, "--out", out]
    arguments += ["--extension", tmp_path / "row_scaled.py", "--saliency", "row-scaled:power=1"]
    monkeypatch.setattr("sys.argv", ["nmt-prune", *map(str, arguments)])
    from nmt_prune.cli import app

    app(standalone_mode=False)
    name = "decoder.layers.0.fc1.weight"
    weight = Checkpoint.load(checkpoint).model[name]
    score = weight.abs() * weight.square().sum(dim=1, keepdim=True).sqrt()
    median = score.flatten().sort().values[score.numel() // 2]
    assert torch.equal(load_masks(out)[0][name], score >= median)


def test_every_flag_of_the_task_is_explained():
    documented = set(re.findall(r"^\| `--([a-z0-9-]+) ", README, re.MULTILINE))
    own = {
        field.name.replace("_", "-")
        for field in fields(TranslationPruningConfig)
        if field.name in TranslationPruningConfig.__annotations__ and "help" in field.metadata
    }
    assert documented == own


def test_every_technique_is_in_the_table():
    section = README.split("## Techniques")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`([a-z0-9-]+)`", row)}
    assert documented == {*TECHNIQUES, DENSE_LONGER}
