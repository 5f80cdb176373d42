"""Learning rates by density in real trainings."""

import pytest

from tests.tasks.test_movement import killed_at
from tests.tasks.training import assert_same

pytestmark = pytest.mark.slow

RATES = "--schedule cubic:interval=3,end=9 --sparsity 0.8 --sparse-lr 1"


@pytest.mark.parametrize("saliency", ["magnitude", "magnitude-ste"])
def test_they_follow_the_mask_and_go_on(run_training, monkeypatch, saliency):
    flags = f"{RATES} --saliency {saliency}"
    whole = run_training("whole", flags)
    expected = [0.8 * (1 - (1 - min(update, 9) // 3 * 3 / 9) ** 3) for update in range(1, 13)]
    assert [line["sparse_lr"] for line in whole.progress()] == pytest.approx([1 / (1 - s) for s in expected], rel=0.02)
    killed_at(monkeypatch, lambda: run_training("parts", flags, "--save-interval-updates 1"), 7)
    with pytest.raises(SystemExit, match=r"began with --sparse-lr 1.0, not --sparse-lr 0.5"):
        run_training("parts", flags, "--sparse-lr 0.5")
    assert_same(whole.state()["model"], run_training("parts", flags).state()["model"])


def test_where_they_do_nothing_they_are_refused(run_training):
    with pytest.raises(SystemExit, match="--sparse-lr 1 does nothing here: nothing is pruned; leave it out"):
        run_training("dense", "--sparse-lr 1")
    with pytest.raises(SystemExit, match="--sparse-lr -1 must not be negative"):
        run_training("dense", "--sparse-lr=-1 --sparsity 0.5")
