"""Rewind points hold the training's state at exactly the update asked for."""

import pytest
import torch

from tests.tasks.training import STOCK, assert_same, tensors

pytestmark = pytest.mark.slow


def test_the_point_at_0_is_what_stock_fairseq_initialises(run_training, dense):
    stock = run_training("stock", STOCK, "--lr 0 --max-update 1")
    assert_same(dense.weights("rewind_0"), stock.weights())
    other_seed = run_training("other", STOCK, "--lr 0 --max-update 1 --seed 2").weights()
    assert not torch.equal(other_seed["encoder.layers.0.fc1.weight"], stock.weights()["encoder.layers.0.fc1.weight"])


@pytest.mark.parametrize("flags", ["", "--update-freq 2", "--schedule cubic:interval=2,end=10 --sparsity 0.8"])
def test_a_later_point_is_the_checkpoint_of_a_training_stopped_there(run_training, flags):
    whole = run_training("whole", flags, "--rewind-points 4,5")
    for update in (4, 5):
        # The cubic schedule ends at update 10 also in the training that is stopped before.
        stopped = run_training(f"stopped at {update}", flags, "--max-update 12 --save-interval-updates", update)
        point, checkpoint = whole.state(f"rewind_{update}"), stopped.state(f"checkpoint_1_{update}")
        assert_same(point["model"], checkpoint["model"])
        assert point["optimizer_history"] == checkpoint["optimizer_history"]
        for index, moments in checkpoint["last_optimizer_state"]["state"].items():
            assert_same(tensors(point["last_optimizer_state"]["state"][index]), tensors(moments))


def test_points_are_not_fairseqs_to_delete(run_training):
    training = run_training("few", "--rewind-points 0,3,12 --save-interval-updates 2 --keep-interval-updates 1")
    assert {path.name for path in training.folder.glob("rewind_*")} == {"rewind_0.pt", "rewind_3.pt", "rewind_12.pt"}
    assert_same(training.weights("rewind_12"), training.weights())


def test_fairseq_resumes_from_a_point_itself(run_training, dense):
    resumed = run_training("resumed", "--restore-file", dense.folder / "rewind_4.pt", "--max-update 5")
    assert resumed.progress()[0]["num_updates"] == 5
    assert resumed.progress()[0]["lr"] == dense.progress()[4]["lr"]
