"""The engine for 64-bit ARM multiplies and translates as the engine here; how fast, emulation does not tell."""

import json

import pytest

from tests.runtime.arm import WITH_DOTPROD, WITHOUT_DOTPROD, Arm
from tests.runtime.translating import translations

pytestmark = pytest.mark.slow
SETS = "from nmt_prune.runtime import _engine; print(*_engine.instruction_sets())"
FILES = [f"tests/runtime/test_{name}.py" for name in ("matrices", "int8_bounds", "matrix_refusals")]
PLUGINS = ("--noconftest", "-p", "no:cacheprovider", "-p", "tests.runtime.instruction_sets")
MATRICES = ("-m", "pytest", "-q", *PLUGINS, *FILES)


@pytest.fixture(scope="module")
def arm(tmp_path_factory):
    return Arm(tmp_path_factory.mktemp("arm"))


def test_each_processor_runs_what_it_has(arm):
    assert arm.python("-c", SETS, cpu=WITHOUT_DOTPROD).split() == ["portable"]
    assert arm.python("-c", SETS, cpu=WITH_DOTPROD).split() == ["dotprod", "portable"]


def test_every_form_of_matrix(arm):
    said = arm.python(*MATRICES)
    assert " passed" in said
    assert "dotprod" not in said  # among those that are skipped


@pytest.mark.parametrize("cpu", [WITH_DOTPROD, WITHOUT_DOTPROD])
@pytest.mark.parametrize("instruction_set", ["portable"], indirect=True)  # that of VBMI rounds more
def test_translations(arm, cpu, instruction_set):
    found, expected = json.loads(arm.python("-m", "tests.runtime.translating", cpu=cpu)), translations()
    assert found.keys() == expected.keys()
    for form, here in expected.items():
        assert [[tokens for tokens, _ in beam] for beam in found[form]] == [[tokens for tokens, _ in b] for b in here]
        # Rounded inputs and keys may fall on the other side.
        tolerance = 0.02 if "int8" in form else 1e-5
        for mine, theirs in zip(found[form], here, strict=True):
            assert [score for _, score in mine] == pytest.approx([score for _, score in theirs], abs=tolerance)
