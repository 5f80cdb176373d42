"""The engine for 64-bit ARM multiplies as exactly as the engine here; how fast it is there, emulation does not tell."""

import pytest

from tests.runtime.arm import WITH_DOTPROD, WITHOUT_DOTPROD, Arm

pytestmark = pytest.mark.slow
SETS = "from nmt_prune.runtime import _engine; print(*_engine.instruction_sets())"
MATRICES = ("-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider", "tests/runtime/test_matrices.py")


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
