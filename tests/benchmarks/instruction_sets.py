"""Which instructions the programs that translate use, and ours and CTranslate2 held to fewer."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import get_context

from nmt_prune.processes import die_with_parent
from nmt_prune.runtime import _engine

RESTRICTED = {
    "avxvnni": {
        "CT2_FORCE_CPU_ISA": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2_VNNI",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2_E1",
    },
    "avx2": {"CT2_FORCE_CPU_ISA": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
}
"""What holds CTranslate2 to the instructions of our kernels of that name; on Intel it multiplies with MKL, which has a
switch of its own. Marian has none: it always uses all that there are."""

_SPEAKING = {"CT2_VERBOSE": "1", "ONEDNN_VERBOSE": "1", "MKL_VERBOSE": "1"}
_SAID = {
    "ISA": r"Selected ISA: (\S+)",
    "MKL": r"Use Intel MKL: (\S+)",
    "int8 GEMM": r"GEMM_S8 backend: (.+)",
    "oneDNN ISA": r"onednn_verbose,info,cpu,isa:(.+)",
    "MKL ISA": r"MKL_VERBOSE .*?architecture (.+?)(?: enabled processors)?, Lnx",
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


def let_ctranslate2_use_all() -> None:
    """CTranslate2 takes AVX-512 only where it is told to; who wants it otherwise sets the variable."""
    if _engine.instruction_sets()[0].startswith("avx512"):
        os.environ.setdefault("CT2_FORCE_CPU_ISA", "AVX512")  # read when the first model is loaded


def again_restricted(measure: Callable[[str], None]) -> None:
    """Measures with fewer instructions than there are, in processes where neither we nor CTranslate2 use others.

    Args:
        measure: gets the name of our kernels.
    """
    others = _engine.instruction_sets()[1:]
    for name in [name for name in RESTRICTED if name in others]:
        before = dict(os.environ)
        os.environ |= RESTRICTED[name]
        process = get_context("spawn").Process(target=_restricted, args=(name, measure))
        process.start()
        process.join()
        os.environ.clear()
        os.environ |= before
        if process.exitcode:
            raise SystemExit(f"the measurement with {name} failed, status {process.exitcode}")


def _restricted(name: str, measure: Callable[[str], None]) -> None:
    die_with_parent()
    _engine.use(name)
    measure(name)
