"""The update that a training goes on after is the one that fairseq sets."""

from pathlib import Path

import pytest

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.tasks.origin import Origin


@pytest.mark.parametrize(
    ("optimizer", "goes_on", "first"), [({}, True, 30), (None, True, 0), ({}, False, 0)], ids=["kept", "none", "reset"]
)
def test_without_an_optimizer_state_updates_count_from_0(optimizer, goes_on, first):
    state = {"model": {}, "optimizer_history": [{"num_updates": 30}], "last_optimizer_state": optimizer}
    assert Origin(Checkpoint(Path("a.pt"), state), None, goes_on).first_update == first
