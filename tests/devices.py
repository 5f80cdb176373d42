"""Where a test computes: the same assertions on the CPU, on a pretended GPU and on a real one."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from tests.pretended_gpu import pretended_gpu

PRETENDED = "pretended"
REAL = pytest.param("cuda", marks=pytest.mark.gpu)

everywhere = pytest.mark.parametrize("device", ["cpu", PRETENDED, REAL], indirect=True)
"""Marks a test whose trainings run on each."""

on_gpus = pytest.mark.parametrize("device", [PRETENDED, REAL], indirect=True)
"""Marks a test that compares with the CPU itself."""

cpu_or_gpu = pytest.mark.parametrize("device", ["cpu", REAL], indirect=True)
"""Marks a test of what cannot be pretended: programs in other processes, fairseq's own use of a GPU."""


@contextmanager
def tensors_on(device: str) -> Iterator[torch.device]:
    """The device of that name for tensors."""
    if device == PRETENDED:
        with pretended_gpu() as there:
            yield there
    else:
        yield torch.device(device)
