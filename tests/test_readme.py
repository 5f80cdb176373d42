"""The README says what the code does: its example runs, its tables are complete."""

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.masks.mask_file import load_masks
from nmt_prune.tasks.config import TranslationPruningConfig
from nmt_prune.techniques import LONGER, techniques
from tests.toy import save_toy

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


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
    assert documented == {*techniques, LONGER}


@pytest.mark.slow
def test_the_install_line_is_enough_for_the_tour(tmp_path):
    """Its programs run where every package is hidden that the line does not install."""
    tour = README.split("## Five-minute tour")[1].split("\n## ")[0]
    extras = re.findall(r"pip install '\.\[([a-z,]+)\]'", tour)[0].split(",")
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    owners = {module: [*map(canonicalize_name, names)] for module, names in packages_distributions().items()}
    (tmp_path / "sitecustomize.py").write_text(
        SITE.replace("OWNERS", repr(owners)).replace("INSTALLED", repr(closure(named)))
    )
    block = re.search(r"^nmt-prune data numbers.*$", tour, re.MULTILINE)
    assert block is not None
    command = [*block[0].split()[1:], "--size", "2000", "--valid-size", "20", "--test-size", "20"]
    paths = f"{tmp_path}{os.pathsep}{REPOSITORY}"
    for arguments in (["nmt_prune.cli", *command], ["fairseq_cli.train", "--help"], ["fairseq_cli.generate", "--help"]):
        process = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
        )
        assert process.returncode == 0, process.stderr


SITE = """
import sys
owners, installed = OWNERS, INSTALLED
class Absent:
    def find_spec(self, name, path=None, target=None):
        if path is None and name in owners and not installed & set(owners[name]):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""


def closure(requirements: list[str]) -> set[str]:
    """Names of the distributions that these requirements install, and this package itself."""
    found: set[str] = {"nmt-prune"}
    waiting = [Requirement(line) for line in requirements]
    while waiting:
        requirement = waiting.pop()
        if (name := canonicalize_name(requirement.name)) in found:
            continue
        found.add(name)
        try:
            own = requires(requirement.name) or []
        except PackageNotFoundError:
            continue
        waiting += [one for one in map(Requirement, own) if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found
