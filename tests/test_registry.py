"""Specs, names, settings and extension files."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.prunable import parse
from nmt_prune.pruning.budgets import budgets
from nmt_prune.pruning.groups import groups
from nmt_prune.pruning.quantization import quantizers
from nmt_prune.pruning.regularisers import regularisers
from nmt_prune.pruning.resets import resets
from nmt_prune.pruning.saliency import saliencies
from nmt_prune.pruning.schedules import schedules
from nmt_prune.registry import Registry, load_extension, load_extensions

EXTENSION = """
from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.saliency import Saliency, saliencies


@saliencies.register("power")
@dataclass(frozen=True)
class Power(Saliency):
    exponent: float = 1.0

    def score_matrix(self, prunable: Prunable, weight: Tensor) -> Tensor:
        return weight.abs() ** self.exponent
"""


@dataclass(frozen=True)
class Tree:
    height: float = 1.0
    rings: int = 3
    name: str | None = None
    evergreen: bool = False
    age: int = field(default=0, kw_only=True)


@pytest.fixture
def trees() -> Registry[Tree]:
    registry: Registry[Tree] = Registry("tree", "nmt_prune.pruning.schedules")
    registry.register("oak")(Tree)
    registry.register("birch")(Tree)
    return registry


@pytest.fixture
def extension(tmp_path) -> Path:
    path = tmp_path / "power.py"
    path.write_text(EXTENSION)
    yield path
    for name in [name for name in sys.modules if name.startswith("nmt_prune_extension_")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("oak", Tree()),
        ("oak:", Tree()),
        ("oak:height=2.5", Tree(2.5)),
        ("oak:height=2,rings=7", Tree(2.0, 7)),
        ("oak: rings = 7 , height=1e2 ", Tree(100.0, 7)),
        ("oak:name=tall one,evergreen=true", Tree(name="tall one", evergreen=True)),
    ],
)
def test_a_spec_is_a_name_and_settings(trees, spec, expected):
    assert trees.build(spec) == expected


def test_context_reaches_the_fields_that_an_entry_has(trees):
    assert trees.build("oak", age=80, soil="clay") == Tree(age=80)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("oka", "unknown tree 'oka'; did you mean oak. known: birch, oak"),
        ("Q", "unknown tree 'Q'; known: birch, oak"),
        ("", "unknown tree ''; known: birch, oak"),
        ("oak:width=3", "unknown setting 'width'; oak takes height, rings, name, evergreen"),
        ("oak:height", "unknown setting 'height'"),
        ("oak:=3", "unknown setting ''"),
        ("oak:age=3", "unknown setting 'age'"),  # not the user's to set
        ("oak:rings=many", "tree 'oak:rings=many': rings='many': .*valid integer"),
        ("oak:height=nan", "tree 'oak:height=nan': height='nan': give a finite number"),
        ("oak:height=-inf", "height='-inf': give a finite number"),
        ("oak:rings=2.5", "rings='2.5': .*valid integer"),
        ("oak:height=", "height='': .*valid number"),
        ("oak:evergreen=perhaps", "evergreen='perhaps': .*valid boolean"),
    ],
)
def test_a_wrong_spec_is_one_line_that_says_what_is_right(trees, spec, message):
    with pytest.raises(PruneError, match=message) as error:
        trees.build(spec)
    assert "\n" not in str(error.value)


def test_a_setting_without_a_default_has_to_be_given(trees):
    @trees.register("elm")
    @dataclass(frozen=True)
    class Elm:
        height: float

    with pytest.raises(PruneError, match="tree 'elm': elm needs height; write elm:height=VALUE"):
        trees.build("elm")
    assert trees.build("elm:height=3") == Elm(3.0)


def test_settings_are_listed_with_their_defaults(trees):
    assert trees.settings("oak") == {"height": 1.0, "rings": 3, "name": None, "evergreen": False}


def test_an_entry_without_settings_says_so():
    with pytest.raises(PruneError, match="magnitude takes no settings"):
        saliencies.build("magnitude:power=2")


def test_the_modules_of_the_package_are_found():
    expected = "activation adam-fisher confidence fisher grasp hard-concrete head-importance magnitude magnitude-ste"
    assert list(saliencies.entries()) == [
        *expected.split(),
        *["movement", "oes", "random", "snip", "soft-movement", "synflow", "taylor", "wanda"],
    ]
    assert list(budgets.entries()) == [
        "erk",
        "global",
        "global-body",
        "layerwise",
        "matrix",
        "nm",
        "sensitivity",
        "threshold",
    ]
    assert list(schedules.entries()) == ["acdc", "constant", "cubic", "granet", "layerwise", "oneshot", "rigl"]
    assert list(quantizers.entries()) == ["ternary", "uniform"]
    assert list(regularisers.entries()) == ["clipped-group-lasso", "group-lasso"]
    assert list(resets.entries()) == ["keep", "random-sign", "reinit", "rewind", "shuffle", "shuffle-layers", "sign"]


def test_an_extension_file_adds_an_entry(extension):
    load_extension(extension)
    score = saliencies.build("power:exponent=2", seed=3).score_matrix(
        parse("encoder.layers.0.fc1.weight", (1, 2)), torch.tensor([[-3.0, 2.0]])
    )
    assert score.tolist() == [[9, 4]]
    with pytest.raises(PruneError, match="unknown saliency 'powr'; did you mean power"):
        saliencies.build("powr")


def test_an_extension_may_be_loaded_again(extension):
    load_extension(extension)
    load_extension(extension)
    assert "power" in saliencies.entries()


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing.py", "does not exist"), ("folder.py", "is a folder"), ("notes.txt", r"is not a Python file \(\*\.py\)")],
)
def test_what_is_no_python_file_is_refused(tmp_path, name, reason):
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(PruneError, match=f"extension {tmp_path / name} {reason}; give the path of a Python file"):
        load_extension(tmp_path / name)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / 0", "line 1: ZeroDivisionError: division by zero"),
        ("\ndef", "line 2: SyntaxError"),
        ("import nn", "No module"),
        ("import sys\nsys.exit(0)", "line 2: SystemExit"),
    ],
)
def test_an_extension_that_fails_is_refused_with_its_reason(tmp_path, source, message):
    (tmp_path / "broken.py").write_text(source)
    with pytest.raises(PruneError, match=rf"extension .*broken\.py failed: .*{message}") as error:
        load_extension(tmp_path / "broken.py")
    assert "\n" not in str(error.value)


def test_several_extensions_are_loaded(extension, tmp_path):
    (tmp_path / "other").mkdir()
    second = tmp_path / "other" / extension.name  # of the same name
    second.write_text(EXTENSION.replace('"power"', '"second-power"'))
    load_extensions(f"{extension}:{second}")
    load_extensions([extension, second])
    assert {"power", "second-power"} <= saliencies.entries().keys()


def test_an_edited_extension_replaces_what_it_registered(extension):
    load_extension(extension)
    extension.write_text(EXTENSION.replace("= 1.0", "= 3.0"))
    load_extension(extension)
    assert saliencies.settings("power") == {"exponent": 3.0}


def test_two_files_and_two_classes_of_one_name_are_refused(extension, tmp_path):
    load_extension(extension)
    (tmp_path / "copy.py").write_text(EXTENSION)
    with pytest.raises(PruneError, match=r"copy\.py: saliency 'power' exists already \(Power in .*power\.py\)"):
        load_extension(tmp_path / "copy.py")
    again = EXTENSION.split("\n\n\n")[1]
    (tmp_path / "twice.py").write_text(f"{EXTENSION}\n\n{again}".replace('"power"', '"twice"'))
    with pytest.raises(PruneError, match="'twice' exists already"):
        load_extension(tmp_path / "twice.py")


ALL = (saliencies, budgets, groups, schedules, resets, regularisers, quantizers)


@pytest.mark.parametrize("registry", ALL, ids=lambda registry: registry.kind)
def test_a_name_that_is_taken_is_refused(registry, tmp_path):
    before = registry.entries()
    name, taken = next(iter(before.items()))
    extension = f"from {registry._package} import {registry.kind.capitalize()} as Base\n"
    extension += "import importlib, dataclasses\n"
    extension += f"registry = importlib.import_module('tests.test_registry').BY_KIND[{registry.kind!r}]\n"
    extension += f"@registry.register({name!r})\n@dataclasses.dataclass(frozen=True)\nclass Mine(Base):\n    pass\n"
    (tmp_path / "mine.py").write_text(extension)
    with pytest.raises(PruneError, match=rf"mine\.py: {registry.kind} '{name}' exists already \({taken.__name__} in"):
        load_extension(tmp_path / "mine.py")
    assert registry.entries() == before


BY_KIND = {registry.kind: registry for registry in ALL}
