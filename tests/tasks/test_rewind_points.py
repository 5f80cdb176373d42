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


def test_points_that_a_training_has_passed_are_refused(run_training):
    run_training("run", "--rewind-points 2 --max-update 4")
    with pytest.raises(SystemExit, match=r"is at update 4 already and has no rewind_3\.pt; leave 3 out"):
        run_training("run", "--rewind-points 2,3,8")
    assert (run_training("run", "--rewind-points 2,8").folder / "rewind_8.pt").exists()


def test_points_are_not_fairseqs_to_delete(run_training):
    training = run_training("few", "--rewind-points 0,3,12 --save-interval-updates 2 --keep-interval-updates 1")
    assert {path.name for path in training.folder.glob("rewind_*")} == {"rewind_0.pt", "rewind_3.pt", "rewind_12.pt"}
    assert_same(training.weights("rewind_12"), training.weights())


def test_fairseq_resumes_from_a_point_itself(run_training, dense):
    resumed = run_training("resumed", "--restore-file", dense.folder / "rewind_4.pt", "--max-update 5")
    assert resumed.progress()[0]["num_updates"] == 5
    assert resumed.progress()[0]["lr"] == dense.progress()[4]["lr"]


SCHEDULERS = {
    "reduce_lr_on_plateau": "--lr-patience 0 --lr-shrink 0.5",
    "cosine": "--lr-period-updates 4 --warmup-updates 2 --t-mult 2",
    "triangular": "--max-lr 0.02 --lr-period-updates 4",
    "tri_stage": "--warmup-steps 2 --hold-steps 3 --decay-steps 4",
    "polynomial_decay": "--warmup-updates 2 --total-num-update 30",
    "step": "--lr-deacy-period 3 --lr-decay 0.5",
    "manual": "--update2lr {'3':0.02,'20':0.001}",
    "fixed": "--warmup-updates 12",
    "inverse_sqrt": "--warmup-updates 4",
}


UNKNOWN = "--warmup-updates 4"  # to some of them


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_scheduler_goes_on_from_the_point(run_training, scheduler):
    """Over several epochs, at whose ends schedulers step, the rewound training has the learning rates of the first."""
    schedule = f"--lr-scheduler {scheduler} {SCHEDULERS[scheduler]} --max-update 60 --max-tokens 400"
    whole = run_training("whole", schedule, "--rewind-points 5", without=UNKNOWN)
    files = ("--mask-from", whole.folder / "checkpoint_last.pt", "--rewind-from", whole.folder / "rewind_5.pt")
    rewound = run_training("rewound", *files, "--sparsity 0.5 --reset rewind --clock rewind", schedule, without=UNKNOWN)
    assert [line["num_updates"] for line in rewound.progress()] == [*range(6, 61)]
    first_epoch = whole.progress("train")[0]["train_num_updates"]
    rates = {line["num_updates"]: line["lr"] for line in whole.progress()}
    again = {line["num_updates"]: line["lr"] for line in rewound.progress()}
    assert {n: rate for n, rate in again.items() if n < first_epoch} == {
        n: rates[n] for n in range(6, int(first_epoch))
    }
    assert whole.progress("train")[-1]["epoch"] > 1


@pytest.mark.parametrize("optimizer", ["adadelta", "adagrad", "adamax", "adafactor", "nag", "sgd"])
def test_points_of_every_optimizer(run_training, optimizer):
    whole = run_training("whole", f"--optimizer {optimizer} --rewind-points 0,5")
    files = ("--mask-from", whole.folder / "checkpoint_last.pt", "--rewind-from", whole.folder / "rewind_5.pt")
    rewound = run_training("rewound", *files, f"--optimizer {optimizer} --sparsity 0.5 --reset rewind --clock rewind")
    assert [line["num_updates"] for line in rewound.progress()] == [*range(6, 13)]
    assert rewound.progress()[-1]["sparsity"] == pytest.approx(0.5, abs=1e-3)
