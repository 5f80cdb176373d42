"""The compiled engine under the address and undefined-behaviour sanitizers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

engine = pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine is not built")
ROOT = Path(__file__).parents[2]
CHECK = """
import sys
sys.path.insert(0, sys.argv[1])
import _engine
_engine.instruction_sets = lambda: sys.argv[2:]
sys.modules["nmt_prune.runtime._engine"] = _engine
import nmt_prune.runtime
nmt_prune.runtime._engine = _engine
import pytest
from tests.runtime import comparing
from tests.runtime.torch_engine import test_torch_engine
# What is found is compared by these tests without sanitizers: fairseq's search takes half of their time.
comparing.assert_equal = test_torch_engine.fairseq_search = lambda *_, **__: None
files = ["matrices", "int8_bounds", "matrix_refusals", "compiled_engine", "compiled_batches", "compiled_refusals"]
files += ["shortlists", "greedy", "alignments", "sampling"]
files = [f"tests/runtime/test_{name}.py" for name in files]
sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-k", "not torch and not of_a_large", *files]))
"""


def library(name: str) -> Path | None:
    """A shared library of the compiler's; it prints the bare name of those that it lacks."""
    try:
        found = subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    path = Path(found.stdout.strip())
    return path if path.is_absolute() and path.exists() else None


def chosen() -> list[str]:
    """The widest instruction set, the next narrower registers, and none: what lies between differs from one of them in
    few instructions, and compiling is most of this test."""
    sets = list(engine.instruction_sets())
    return list(dict.fromkeys([sets[0], *(name for name in sets if name in ("avx2", "portable"))]))


@pytest.mark.slow
def test_no_error_of_memory_and_no_undefined_behaviour(tmp_path: Path) -> None:
    libraries = [library("libasan.so"), library("libubsan.so"), library("libstdc++.so")]
    if None in libraries:
        pytest.skip("no g++ with sanitizers")
    configure = ["cmake", "-S", ROOT / "nmt_prune/runtime", "-B", tmp_path, "-DNMT_PRUNE_SANITIZE=ON"]
    configure += ["-DCMAKE_CXX_COMPILER=g++", f"-DPython_EXECUTABLE={sys.executable}"]
    configure += [f"-DNMT_PRUNE_RUN={';'.join(chosen())}"]
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "LD_PRELOAD": "",
        "PYTHONPATH": str(ROOT),
    }
    subprocess.run(configure, check=True, capture_output=True, env=environment)
    subprocess.run(["cmake", "--build", tmp_path], check=True, capture_output=True, env=environment)
    # Python itself never frees some of its memory. Of who allocated what few calls are remembered: it takes time.
    environment |= {"LD_PRELOAD": ":".join(map(str, libraries)), "ASAN_OPTIONS": "detect_leaks=0:malloc_context_size=5"}
    environment |= {"UBSAN_OPTIONS": "print_stacktrace=1"}
    ran = subprocess.run(
        [sys.executable, "-c", CHECK, str(tmp_path), *chosen()],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
