import pytest

from tests.tasks.conftest import _one_thread, corpus, dense, run_training
from tests.tasks.training import Training, train

__all__ = ["_one_thread", "corpus", "dense", "run_training"]


@pytest.fixture(scope="session")
def pruned(corpus, dense, tmp_path_factory) -> Training:
    """A ticket at 80 %, trained long enough to say something."""
    folder = tmp_path_factory.mktemp("pruned")
    flags = "--sparsity 0.8 --max-update 60 --lr 0.03 --max-tokens 400"
    return train(corpus, folder, "--mask-from", dense.folder / "checkpoint_last.pt", flags)
