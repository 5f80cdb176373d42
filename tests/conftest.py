import signal

import pytest
import torch

from nmt_prune.saliency import saliencies


@pytest.fixture(scope="session", autouse=True)
def _heed_interrupts():
    """A shell's background job, as the tests may be, ignores SIGINT, and so would every process that they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _same_random_numbers_for_every_test():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_saliency_outlives_its_test(monkeypatch):
    monkeypatch.setattr(saliencies, "_entries", dict(saliencies.entries()))


@pytest.fixture
def set_threads():
    """``torch.set_num_threads``, undone after the test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)
