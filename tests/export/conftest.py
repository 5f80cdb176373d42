from tests.models.conftest import _one_thread, corpus, dense, pruned, run_training

__all__ = ["_one_thread", "corpus", "dense", "pruned", "run_training"]
