"""Products by AMX are right where its instructions do what Intel's manual says: no machine of ours has them."""

import subprocess

import pytest

from tests.programs import REPOSITORY

engine = pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine is not built")
SOURCES = REPOSITORY / "nmt_prune/runtime/src"
FLAGS = ("-std=c++17", "-O1", "-mavx2", "-mfma", "-mf16c", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@pytest.mark.slow
@pytest.mark.skipif("avx2" not in engine.instruction_sets(), reason="this CPU has no AVX2")
def test_tiles_find_what_vectors_find(tmp_path):
    program = tmp_path / "check"
    sources = (REPOSITORY / "tests/runtime/amx/check.cpp", SOURCES / "trial.cpp")
    subprocess.run(["g++", *FLAGS, "-I", SOURCES, *sources, "-o", program], check=True)
    ran = subprocess.run([program], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "770 products\n"), ran.stderr
