"""Which instructions the programs that translate use, and all of them held to AVX2."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import get_context

from nmt_prune.runtime import _engine

# On Intel CTranslate2 multiplies with MKL, which has a switch of its own.
AVX2 = {"CT2_FORCE_CPU_ISA": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}

_SPEAKING = {"CT2_VERBOSE": "1", "ONEDNN_VERBOSE": "1", "MKL_VERBOSE": "1"}
_SAID = {
    "ISA": r"Selected ISA: (\S+)",
    "MKL": r"Use Intel MKL: (\S+)",
    "int8 GEMM": r"GEMM_S8 backend: (.+)",
    "oneDNN ISA": r"onednn_verbose,info,cpu,isa:(.+)",
    "MKL ISA": r"MKL_VERBOSE .*?architecture (.+?) enabled processors",
}


def of_ctranslate2() -> dict[str, str]:
    """What CTranslate2 says it multiplies with, and what oneDNN or MKL below it say, under this environment."""
    process = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.speaking_ctranslate2"],
        env={**os.environ, **_SPEAKING},
        capture_output=True,
        text=True,
        check=True,
    )
    return parsed(process.stdout + process.stderr)


def parsed(said: str) -> dict[str, str]:
    """The facts in what CTranslate2, oneDNN and MKL print."""
    found = {fact: re.search(pattern, said) for fact, pattern in _SAID.items()}
    return {fact: match[1].strip() for fact, match in found.items() if match}


def again_with_avx2(measure: Callable[[], None]) -> None:
    """Measures in another process, where no program uses more than AVX2; not at all where there is no more."""
    if _engine.instruction_set() in ("avx2", "portable"):
        return
    os.environ |= AVX2  # read when CTranslate2 is loaded
    process = get_context("spawn").Process(target=_restricted, args=(measure,))
    process.start()
    process.join()
    for variable in AVX2:
        del os.environ[variable]
    if process.exitcode:
        raise SystemExit(f"the measurement with AVX2 failed, status {process.exitcode}")


def _restricted(measure: Callable[[], None]) -> None:
    _engine.use("avx2")
    measure()
