"""The task's flags: what they mean, and what is refused without a training."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.pruning.schedules.constant import Constant
from nmt_prune.pruning.schedules.cubic import Cubic
from nmt_prune.tasks.config import TranslationPruningConfig, pruning_settings, rewind_updates
from nmt_prune.tasks.refusals import refuse_unreachable_average, refuse_unsupported

PLAIN = SimpleNamespace(
    ddp_backend="pytorch_ddp",
    pipeline_model_parallel=False,
    use_bmuf=False,
    zero_sharding="none",
    restore_file="checkpoint_last.pt",
    continue_once=None,
    finetune_from_model=None,
    reset_optimizer=False,
    reset_lr_scheduler=False,
    reset_meters=False,
    reset_dataloader=False,
)


@pytest.mark.parametrize(("text", "updates"), [("", set()), ("0", {0}), ("0,25000", {0, 25000}), ("4, 4,", {4})])
def test_rewind_updates(text, updates):
    assert rewind_updates(TranslationPruningConfig(rewind_points=text)) == updates


@pytest.mark.parametrize("text", ["-1", "0,-4", "soon", "1.5", "1e3"])
def test_other_rewind_updates_are_refused(text):
    with pytest.raises(PruneError, match=f"--rewind-points '{text}': give update numbers"):
        rewind_updates(TranslationPruningConfig(rewind_points=text))


@pytest.mark.parametrize(
    ("field", "value", "flag"),
    [
        ("ddp_backend", "fully_sharded", "--ddp-backend fully_sharded"),
        ("ddp_backend", "slowmo", "--ddp-backend slowmo"),
        ("pipeline_model_parallel", True, "--pipeline-model-parallel"),
        ("use_bmuf", True, "--use-bmuf"),
        ("zero_sharding", "os", "--zero-sharding os"),
    ],
)
def test_what_masks_cannot_reach_is_refused(field, value, flag):
    with pytest.raises(PruneError, match=f"^{flag} keeps weights or optimizer state where masks cannot reach them"):
        refuse_unsupported(SimpleNamespace(**{**vars(PLAIN), field: value}))
    refuse_unsupported(PLAIN)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"restore_file": "a.pt"}, "--restore-file and --finetune-from-model both say where to start"),
        ({"continue_once": "a.pt"}, "--continue-once and --finetune-from-model both say where to start"),
        ({"reset_meters": True}, "--finetune-from-model takes nothing but the weights: leave --reset-meters out"),
    ],
)
def test_a_training_has_one_start(given, message):
    with pytest.raises(PruneError, match=message):
        refuse_unsupported(SimpleNamespace(**{**vars(PLAIN), "finetune_from_model": "b.pt", **given}))


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_an_average_in_copies_is_refused_only_while_the_mask_grows(precision):
    cfg = SimpleNamespace(**{"store_ema": True, "ema_fp32": True, "fp16": False, "bf16": False, precision: True})
    growing = Cubic(final=0.9, max_update=100)
    with pytest.raises(PruneError, match="--ema-fp32 with --fp16 or --bf16"):
        refuse_unreachable_average(cfg, growing)
    refuse_unreachable_average(cfg, Constant(final=0.9))
    for field in ("store_ema", "ema_fp32", precision):
        refuse_unreachable_average(SimpleNamespace(**{**vars(cfg), field: False}), growing)


def test_flags_are_the_settings():
    cfg = TranslationPruningConfig(
        mask_from="a.pt", rewind_from="b.pt", saliency="random", budget="erk", group="unit", sparsity=0.5,
        schedule="oneshot:at=3",
        mask_control="shuffled", counts_from="c.pt", reset="sign", clock="rewind", prune_set="body", prune_seed=7,
        calibration_batches=3,
    )  # fmt: skip
    settings = pruning_settings(replace(cfg, max_update=9))
    assert vars(settings) == {
        "mask_from": "a.pt", "rewind_from": "b.pt", "saliency": "random", "budget": "erk", "group": "unit",
        "sparsity": 0.5, "schedule": "oneshot:at=3", "mask_control": "shuffled", "counts_from": "c.pt", "reset": "sign",
        "clock": "rewind",
        "prune_set": "body", "seed": 7, "calibration_batches": 3, "max_update": 9,
    }  # fmt: skip
