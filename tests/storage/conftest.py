import pytest

from tests.tasks.conftest import Train, _one_thread, corpus, run_training
from tests.tasks.training import Training, train

__all__ = ["Train", "_one_thread", "corpus", "run_training"]


@pytest.fixture(scope="session")
def pruned(corpus, tmp_path_factory) -> Training:
    """A training of 12 updates at 60 % sparsity."""
    return train(corpus, tmp_path_factory.mktemp("pruned"), "--sparsity 0.6")
