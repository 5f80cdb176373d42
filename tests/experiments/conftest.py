from pathlib import Path

import pytest

from tests.experiments.laboratory import Laboratory


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch):
    """The same on every machine; tests of GPUs pretend that there are some."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture
def laboratory(tmp_path: Path) -> Laboratory:
    return Laboratory(tmp_path)
