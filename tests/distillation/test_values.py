"""What the teacher's weights are converted to is checked before any work begins."""

from pathlib import Path

import pytest

from nmt_prune.distillation.settings import Distillation
from nmt_prune.errors import PruneError


def test_unknown_values_are_refused_by_the_settings():
    with pytest.raises(PruneError, match="--values int7: choose from float32"):
        Distillation(Path("teacher.pt"), Path("data"), values="int7")
    assert Distillation(Path("teacher.pt"), Path("data"), values="int8").values == "int8"
