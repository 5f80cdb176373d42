"""A test, by every instruction set that this CPU has; without conftest.py: ``-p tests.runtime.instruction_sets``."""

from collections.abc import Iterator

import pytest


@pytest.fixture(params=["amx", "avx512vbmi", "avx512vnni", "avx512", "avxvnni", "avx2", "dotprod", "portable"])
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    engine = pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine is not built")
    if request.param not in engine.instruction_sets():
        pytest.skip(f"this CPU has no {request.param}")
    before = engine.instruction_set()
    engine.use(request.param)
    yield request.param
    engine.use(before)
