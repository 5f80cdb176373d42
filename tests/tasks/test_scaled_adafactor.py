"""Adafactor as Brix 2020 used it: steps relative to the size of each parameter, and a scheduled learning rate."""

import math
from argparse import Namespace

import pytest
import torch
from fairseq.optim.adafactor import FairseqAdafactor
from fairseq.optim.lr_scheduler.inverse_square_root_schedule import InverseSquareRootSchedule

from nmt_prune.experiments.recipe.recipe_file import load_recipe
from nmt_prune.optimizers.scaled_adafactor import ScaledAdafactor

FLAGS = {"adafactor_eps": "(1e-30, 1e-3)", "clip_threshold": 1.0, "decay_rate": -0.8, "beta1": None}
FLAGS |= {"weight_decay": 0.0, "scale_parameter": True, "relative_step": False, "warmup_init": False, "lr": [0.01]}


def parameters() -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.full((2, 2), size)) for size in (0.5, 0.1, 0.0)]


def steps(kind: type[FairseqAdafactor]) -> list[float]:
    """By how much each of three parameters moves in its first step, whose normalised gradient is 1."""
    params = parameters()
    optimizer = kind(Namespace(**FLAGS), params)
    optimizer.set_lr(0.01)
    for parameter in params:
        parameter.grad = torch.full_like(parameter, 3.0)
    optimizer.step()
    return [float((before - after).abs().max()) for before, after in zip(parameters(), params, strict=True)]


def test_a_step_is_relative_to_the_size_of_its_parameter():
    # 0.01 of the root mean square 0.5 and 0.1; of a parameter of zeros, 0.01 of the least size, 0.001.
    assert steps(ScaledAdafactor) == pytest.approx([0.005, 0.001, 0.00001], rel=1e-4)


def test_the_rate_stays_that_of_the_schedule():
    """A scheduler such as reduce_lr_on_plateau does not set it again before every step."""
    params = parameters()
    optimizer = ScaledAdafactor(Namespace(**FLAGS), params)
    optimizer.set_lr(0.01)
    for _ in range(3):
        for parameter in params:
            parameter.grad = torch.full_like(parameter, 3.0)
        optimizer.step()
        assert [group["lr"] for group in optimizer.param_groups] == [0.01] * 3


def test_without_own_groups_the_scales_multiply_up():
    """The control, and the reason for the optimizer: 0.01 · 0.5, then · 0.1, then · 0.001."""
    assert steps(FairseqAdafactor) == pytest.approx([0.005, 0.0005, 0.0000005], rel=1e-4)


@pytest.mark.parametrize("name", ["wmt14-en-de", "wmt14-en-fr"])
@pytest.mark.parametrize("update", [0, 1, 5_000, 10_000, 10_001, 40_000, 500_000])
def test_the_schedule_of_the_recipes_is_that_of_tensor2tensor(name, update):
    training = load_recipe(name).training.flags()
    assert training["optimizer"] == "scaled_adafactor"
    keys = ("lr", "warmup_updates", "warmup_init_lr")
    cfg = Namespace(**{key: training[key] for key in keys} | {"lr": [training["lr"]]})
    scheduler = InverseSquareRootSchedule(cfg, ScaledAdafactor(Namespace(**FLAGS), parameters()))
    assert scheduler.step_update(update) == pytest.approx(1 / math.sqrt(max(update, 10_000)))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["", "--fp16 --fp16-no-flatten-grads --fp16-init-scale 4"])
def test_it_trains_prunes_and_goes_on(run_training, precision, monkeypatch):
    monkeypatch.setattr(torch.cuda, "current_device", lambda: None)  # flat fp16 asks for a GPU; this is not flat
    flags = ("--optimizer scaled_adafactor --schedule cubic:interval=2 --sparsity 0.8", precision)
    training = run_training("mp", *flags)
    losses = [line["loss"] for line in training.progress()]
    assert losses[-1] < losses[0]
    assert training.progress()[-1]["sparsity"] == pytest.approx(0.8, abs=1e-3)
    assert {line["revived"] for line in training.progress()} == {0}
    longer = run_training("mp", *flags, "--max-update 14")
    assert [line["num_updates"] for line in longer.progress()] == [13, 14]
