from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.tasks.corpus import make_corpus
from tests.tasks.training import Training, train

Train = Callable[..., Training]


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    torch.set_num_threads(1)  # of two on a shared core, one waits for the other: trainings take ten times as long


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture
def run_training(corpus, tmp_path, device) -> Train:
    """``run_training(name, flags...)`` trains in ``tmp_path / name``."""
    return lambda name, *flags, **settings: train(corpus, tmp_path / name, *flags, **{"device": device, **settings})


@pytest.fixture(scope="session")
def dense(corpus, tmp_path_factory) -> Training:
    """A dense training of 12 updates with rewind points at 0 and 4: the parent of every ticket."""
    return train(corpus, tmp_path_factory.mktemp("dense"), "--rewind-points 0,4")
