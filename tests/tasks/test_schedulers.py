"""What becomes of an optimizer that no trainer of fairseq drives. All others are in test_rewind_points.py."""

import pytest
from torch import nn

from nmt_prune.errors import PruneError
from nmt_prune.tasks.rewind_points import write_rewind_point
from nmt_prune.tasks.schedulers import scheduler_of


def test_it_has_no_scheduler():
    assert scheduler_of(object()) is None


def test_it_has_no_rewind_points(tmp_path):
    with pytest.raises(PruneError, match="no learning rate scheduler of fairseq's"):
        write_rewind_point(str(tmp_path), 0, {}, {}, nn.Linear(1, 1), None, object(), scheduler_of(object()))
    assert not any(tmp_path.iterdir())
