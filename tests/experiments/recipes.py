"""Recipes for the tests."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from nmt_prune.experiments.recipe.schema import Recipe
from tests import programs

BRIX_LADDER = [10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 95, 98]


def make_recipe(**changes: Any) -> Recipe:
    """A small recipe; ``changes`` replace keys."""
    values: dict[str, Any] = {
        "name": "small",
        "corpus": {"name": "numbers"},
        "model": {"arch": "masked_transformer_tiny"},
        "training": {"max_update": 100, "lr": 0.005},
        "ladder": [50, 80, 90],
        "techniques": ["mp", "slt", "slt-mp"],
    }
    return Recipe.model_validate(values | changes)


def brix_recipe(**changes: Any) -> Recipe:
    """The set-up of Brix 2020: 500 k updates a training and the whole ladder."""
    return make_recipe(**{"training": {"max_update": 500_000}, "ladder": BRIX_LADDER, **changes})


def run_in_one_process(folder: Path, recipe: str) -> subprocess.CompletedProcess[str]:
    """``nmt-prune run small.yaml`` in ``folder``, as tests.experiments.one_process does it."""
    (folder / "small.yaml").write_text(recipe, encoding="utf-8")
    return programs.run([sys.executable, "-m", "tests.experiments.one_process", "run", "small.yaml"], cwd=folder)
