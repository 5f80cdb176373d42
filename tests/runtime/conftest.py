import pytest

from tests.tasks.conftest import _one_thread

__all__ = ["_one_thread"]


@pytest.fixture(params=["avx512vbmi", "avx512vnni", "avx512", "avxvnni", "avx2", "dotprod", "portable"])
def instruction_set(request):
    engine = pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine is not built")
    if request.param not in engine.instruction_sets():
        pytest.skip("this CPU does not have it")
    before = engine.instruction_set()
    engine.use(request.param)
    yield request.param
    engine.use(before)
