from tests.runtime.instruction_sets import instruction_set
from tests.tasks.conftest import _one_thread

__all__ = ["_one_thread", "instruction_set"]
