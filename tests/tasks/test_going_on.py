"""What a training takes from another beside its weights must be of the same kind."""

from types import SimpleNamespace
from typing import Any

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.tasks.going_on import refuse_foreign_optimizer, refuse_other_batches

ADAM = {
    "optimizer_name": "FairseqAdam",
    "criterion_name": "CrossEntropyCriterion",
    "lr_scheduler_state": {"best": None},
}


def flags(optimizer: str = "adam", scheduler: str = "inverse_sqrt", **common: bool) -> Any:
    precision = dict.fromkeys(("fp16", "bf16", "amp", "memory_efficient_fp16", "memory_efficient_bf16"), False)
    root = SimpleNamespace(
        common=SimpleNamespace(**{**precision, **common}),
        optimizer=SimpleNamespace(_name=optimizer),
        criterion=SimpleNamespace(_name="cross_entropy"),
        lr_scheduler=SimpleNamespace(_name=scheduler),
    )
    return SimpleNamespace(reset_lr_scheduler=False, _get_parent=lambda: root)


def refusal(cfg: Any, history: dict[str, Any]) -> str:
    try:
        refuse_foreign_optimizer(cfg, history, "last.pt comes of a training", "or not")
    except PruneError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("cfg", "history", "message"),
    [
        (flags("sgd"), {}, "with the optimizer FairseqAdam, not SGD: give --optimizer"),
        (flags(bf16=True), {}, "not FP16Optimizer"),
        (flags(fp16=True, memory_efficient_fp16=True), {}, "not MemoryEfficientFP16Optimizer"),
        (flags(amp=True), {}, "not AMPOptimizer"),
        (flags(), {"criterion_name": "Other"}, "with the criterion Other, not CrossEntropyCriterion"),
        (flags(scheduler="reduce_lr_on_plateau"), {"lr_scheduler_state": {"lr": 0.1}}, "give --reset-lr-scheduler"),
    ],
)
def test_what_fairseq_cannot_take_is_one_line(cfg, history, message):
    assert message in refusal(cfg, ADAM | history)


@pytest.mark.parametrize("history", [ADAM, {}])
def test_what_is_equal_or_says_nothing_is_taken(history):
    assert refusal(flags(scheduler="reduce_lr_on_plateau"), history) == ""


def test_an_epoch_that_has_become_shorter_is_one_line():
    def load(state: dict[str, int]) -> None:
        if state["iterations_in_epoch"] > 3:
            raise RuntimeError("Cannot resume training due to dataloader mismatch")

    batches = refuse_other_batches(SimpleNamespace(load_state_dict=load))
    batches.load_state_dict({"iterations_in_epoch": 3})
    with pytest.raises(SystemExit, match=r"further in its epoch .* --reset-dataloader"):
        batches.load_state_dict({"iterations_in_epoch": 4})
