"""fairseq's moving average of the weights is as sparse as the weights."""

import pytest
import torch

from tests.devices import everywhere
from tests.tasks.training import Training

pytestmark = pytest.mark.slow

BIAS = "encoder.layers.0.fc1.bias"
EMA = "--store-ema --ema-decay 0.9"
AVERAGES = {"in place": EMA, "in fp32": f"{EMA} --ema-fp32", "every second update": f"{EMA} --ema-update-freq 2"}
PRUNED = "--schedule cubic:interval=3,end=9 --sparsity 0.8"


def assert_masked(training: Training, name: str, matrices: int = 17) -> None:
    masks, extra = training.masks(name), training.state(name)["extra_state"]
    assert len(masks) == matrices
    for average in (extra["ema"], extra.get("ema_fp32_params") or extra["ema"]):
        assert not any(average[key][~mask].any() for key, mask in masks.items())
        assert any(average[key][mask].any() for key, mask in masks.items())


@everywhere
@pytest.mark.parametrize("flags", AVERAGES.values(), ids=AVERAGES)
def test_the_average_follows_a_growing_mask(run_training, flags):
    training = run_training("mp", PRUNED, flags, "--save-interval-updates 1")
    for update in range(3, 13):  # the mask changes after 3, 6 and 9 updates
        assert_masked(training, f"checkpoint_1_{update}")
    assert not torch.equal(training.weights()[BIAS], average(training))


def average(training: Training) -> torch.Tensor:
    return training.state()["extra_state"]["ema"][BIAS]


@pytest.mark.parametrize("flags", AVERAGES.values(), ids=AVERAGES)
def test_a_resumed_average_follows_too(run_training, flags):
    stopped = run_training("mp", PRUNED, flags, "--save-interval-updates 4")
    stopped.folder.joinpath("checkpoint_1_4.pt").replace(stopped.folder / "checkpoint_last.pt")
    resumed = run_training("mp", PRUNED, flags, "--save-interval-updates 1")
    assert [line["num_updates"] for line in resumed.progress()] == [*range(5, 13)]
    for update in range(5, 13):
        assert_masked(resumed, f"checkpoint_1_{update}")


@pytest.mark.parametrize("precision", ["", "--fp16 --fp16-no-flatten-grads --fp16-init-scale 4"])
@pytest.mark.parametrize("flags", AVERAGES.values(), ids=AVERAGES)
def test_the_average_of_a_ticket_starts_from_the_ticket(run_training, dense, flags, precision):
    files = ("--mask-from", dense.folder / "checkpoint_last.pt", "--rewind-from", dense.folder / "rewind_4.pt")
    training = run_training("slt", *files, "--sparsity 0.5 --reset rewind", flags, precision, "--rewind-points 0")
    assert_masked(training, "checkpoint_last")
    start, end = (training.weights(name)[BIAS] for name in ("rewind_0", "checkpoint_last"))
    assert (average(training) - start).abs().sum() < (end - start).abs().sum()


@everywhere
def test_a_growing_mask_in_half_precision(run_training):
    flags = f"{EMA} --fp16 --fp16-no-flatten-grads --fp16-init-scale 4 --save-interval-updates 1"
    training = run_training("mp", PRUNED, flags)
    for update in range(3, 13):
        assert_masked(training, f"checkpoint_1_{update}")
