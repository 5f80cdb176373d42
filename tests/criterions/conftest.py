"""The trainings of the task's tests, for those of criterions."""

from tests.tasks.conftest import _one_thread, corpus, dense, run_training

__all__ = ["_one_thread", "corpus", "dense", "run_training"]
