import pytest
import torch
from fairseq import utils


@pytest.fixture(autouse=True)
def _softmax_in_the_precision_of_the_model(monkeypatch):
    """fairseq's unfused attention takes the softmax in float32; finite differences need float64 throughout."""
    monkeypatch.setattr(utils, "softmax", lambda x, dim, onnx_trace=False: torch.softmax(x, dim))
