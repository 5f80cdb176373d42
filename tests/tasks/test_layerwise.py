"""Greedy layerwise pruning and learned masks in real trainings."""

import json

import pytest
import torch
from fairseq.trainer import Trainer

from nmt_prune.masks.mask_file import load_masks
from tests.tasks.test_data_parallel import train_on_two
from tests.tasks.training import MASK, assert_same

pytestmark = pytest.mark.slow

GREEDY = "--saliency activation --group channel --budget layerwise --sparsity 0.5 --calibration-batches 2"
STAGED = f"{GREEDY} --schedule layerwise:begin=2,window=2"
# Sublayers of one layer per stack: 2 heads each, 20 units each.
ORDER = ["encoder.layers.0.self_attn", "encoder.layers.0.fc", "decoder.layers.0.self_attn"]
ORDER += ["decoder.layers.0.encoder_attn", "decoder.layers.0.fc"]
OES = "--saliency oes:steps=5 --sparsity 0.8 --budget global-body:floor=0.25 --calibration-batches 2"


def provenance(training):
    return json.loads((training.folder / "pruning.json").read_text())


def pruned(masks):
    return [name for name in ORDER if any(key.startswith(name) and not mask.all() for key, mask in masks.items())]


def test_one_sublayer_is_pruned_per_window(run_training, dense):
    parent = dense.folder / "checkpoint_last.pt"
    training = run_training("greedy", "--mask-from", parent, STAGED, "--save-interval-updates 1")
    for update in range(1, 13):
        masks = training.masks(f"checkpoint_1_{update}")
        assert pruned(masks) == ORDER[: min(update // 2, 5)]
        assert all(mask.sum() == mask.numel() / 2 for mask in masks.values())
    stages = provenance(training)["stages"]
    assert stages == pytest.approx([1 / 46, 11 / 46, 12 / 46, 13 / 46, 0.5])
    assert not any(training.weights()[name][~mask].any() for name, mask in training.masks().items())


def test_a_restart_goes_on_with_the_stages(run_training, dense, monkeypatch):
    flags = ("--mask-from", dense.folder / "checkpoint_last.pt", STAGED, "--save-interval-updates 3")
    whole, train_step = run_training("whole", *flags), Trainer.train_step

    def killed(trainer, *arguments):
        if trainer.get_num_updates() == 5:
            raise KeyboardInterrupt
        return train_step(trainer, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", killed)
        with pytest.raises(KeyboardInterrupt):
            run_training("parts", *flags)
    parts = run_training("parts", *flags)
    assert_same(whole.masks(), parts.masks())
    assert_same(whole.weights(), parts.weights())


def test_calibration_alone_and_one_shot_have_the_same_sizes(run_training, dense):
    parent = dense.folder / "checkpoint_last.pt"
    greedy = run_training("calibration", "--mask-from", parent, GREEDY, "--rewind-points 0")
    oneshot = run_training("oneshot", "--mask-from", parent, GREEDY, "--budget layerwise:remeasure=false")
    assert pruned(greedy.masks("rewind_0")) == ORDER
    sizes = {name: int(mask.sum()) for name, mask in greedy.masks().items()}
    assert sizes == {name: int(mask.sum()) for name, mask in oneshot.masks().items()}
    first = "encoder.layers.0.self_attn.v_proj.weight"
    assert torch.equal(greedy.masks()[first], oneshot.masks()[first])


def test_a_learned_mask_is_reported_with_its_loss(run_training, dense, corpus, tmp_path, monkeypatch):
    training = run_training("oes", OES, "--rewind-points 0")
    facts, initial = provenance(training), dense.weights("rewind_0")
    assert facts["inherited"] == 0
    assert facts["supermask_gap"] == pytest.approx(facts["supermask_loss"] - facts["soft_mask_loss"])
    assert training.said("oes: step 5 of 5, loss ")
    assert training.said(f"oes: loss {facts['supermask_loss']:.4f} of the supermask")
    start, masks = training.weights("rewind_0"), training.masks()
    kept, size = (sum(counts) for counts in zip(*((int(m.sum()), m.numel()) for m in masks.values()), strict=True))
    assert (kept - 16) / (size - 16) == pytest.approx(0.2, abs=1e-3)
    assert all(torch.equal(start[name], initial[name] * mask) for name, mask in masks.items())

    from nmt_prune.cli import app

    out, parent = tmp_path / "m.safetensors", dense.folder / "checkpoint_last.pt"
    command = ["nmt-prune", "mask", parent, "--out", out, "--data", corpus, *OES.split()]
    monkeypatch.setattr("sys.argv", list(map(str, command)))
    app(standalone_mode=False)
    ticket = run_training("ticket", "--mask-from", parent, OES)
    found, written = load_masks(out)
    assert all(torch.equal(found[name], mask) for name, mask in ticket.masks().items())
    assert written["supermask_loss"] == pytest.approx(provenance(ticket)["supermask_loss"], rel=1e-6)


@pytest.mark.parametrize("flags", [OES, f"{GREEDY} --schedule layerwise:begin=1,window=1 --max-update 6"])
def test_workers_find_the_same(corpus, tmp_path, flags):
    states = train_on_two(corpus, tmp_path, flags, "--max-update 6")
    first, second = (state["model"] for state in states)
    assert any(key.startswith(MASK) for key in first)
    assert_same(first, second)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (f"{GREEDY} --calibration-batches 0", "the calibration set is empty"),
        ("--sparsity 0.5 --schedule layerwise", "also give --budget layerwise"),
        (f"{STAGED} --max-update 9", "the last of 5 sublayers is pruned at update 10, after --max-update 9"),
        ("--sparsity 0.5 --saliency oes --calibration-batches 0", "the calibration set is empty"),
    ],
)
def test_mistakes_end_the_training_before_it_begins(run_training, tmp_path, flags, message):
    with pytest.raises(SystemExit, match=f"^nmt-prune: error: .*{message}") as error:
        run_training("refused", flags)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "refused").glob("*.pt"))
