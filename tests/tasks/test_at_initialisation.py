"""Saliencies that need the model and data, in real trainings: at the start, for tickets, while the mask grows."""

import json

import pytest
import torch
from fairseq.trainer import Trainer

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.masks.mask_file import load_masks, save_masks
from tests.tasks.test_data_parallel import assert_equal_workers, train_on_two
from tests.tasks.training import EMBEDDING, assert_same

pytestmark = pytest.mark.slow

SMALL = "--calibration-batches 3"
SALIENCIES = [(name, SMALL) for name in ("snip", "grasp", "taylor")] + [("synflow:rounds=10", ""), ("random", "")]


def sparsity(masks):
    kept = sum(int(mask.sum()) for mask in masks.values())
    size = sum(mask.numel() for mask in masks.values())
    return 1 - (kept - 16) / (size - 16)  # 16: the padding row


@pytest.mark.parametrize(("saliency", "batches"), SALIENCIES)
def test_fresh_weights_are_pruned_before_the_first_update(run_training, dense, saliency, batches):
    flags = f"--saliency {saliency} --sparsity 0.8 --budget global-body:floor=0.25 --rewind-points 0 {batches}"
    training = run_training("run", flags)
    masks, start = training.masks("rewind_0"), training.weights("rewind_0")
    assert_same(masks, training.masks())
    assert sparsity(masks) == pytest.approx(0.8, abs=1e-3)
    # The survivors are what the dense training of the same seed started with.
    initial = dense.weights("rewind_0")
    for name, mask in masks.items():
        assert torch.equal(start[name], initial[name] * mask)
        assert int(mask.sum()) >= int(0.0499 * mask.numel())  # a quarter of the density
    assert start.keys() == initial.keys()
    assert not any(training.weights()[name][~mask].any() for name, mask in masks.items())
    assert all(line["revived"] == 0 for line in training.progress())


@pytest.mark.parametrize(
    ("saliency", "passes"),
    [(f"snip {SMALL}", 3), (f"snip:rounds=2 {SMALL}", 6), (f"oes:steps=7 {SMALL}", 7 + 6), ("random", 0)],
)
def test_mini_batches_that_are_no_update_are_counted(run_training, saliency, passes):
    training = run_training("run", f"--saliency {saliency} --sparsity 0.5 --prune-set body --max-update 1")
    assert json.loads((training.folder / "pruning.json").read_text())["other_passes"] == passes


def test_the_same_flags_give_the_same_masks_and_others_others(run_training):
    def masks(name, *flags):
        return run_training(name, f"--saliency snip --sparsity 0.8 --max-update 1 {SMALL}", *flags).masks()

    first = masks("first")
    assert_same(first, masks("again"))
    for name, flags in (("seed", "--prune-seed 2"), ("batches", "--calibration-batches 1")):
        assert any(not torch.equal(mask, first[key]) for key, mask in masks(name, flags).items())


def test_measuring_does_not_change_the_training(run_training, tmp_path):
    """The same mask without measuring, from a file, gives the same weights: same batches, same dropout."""
    measured = run_training("measured", "--dropout 0.3 --saliency snip --sparsity 0.5", SMALL)
    save_masks(Checkpoint.load(measured.folder / "checkpoint_last.pt").masks, tmp_path / "m.safetensors", {})
    from_file = run_training("file", "--dropout 0.3 --mask-from", tmp_path / "m.safetensors")
    assert_same(measured.masks(), from_file.masks())
    assert_same(measured.weights(), from_file.weights())


@pytest.mark.parametrize("saliency", ["taylor", "grasp:temperature=1", "head-importance"])
def test_tickets_and_mask_files_agree(run_training, dense, corpus, tmp_path, saliency, monkeypatch):
    from nmt_prune.cli import app

    parent, out = dense.folder / "checkpoint_last.pt", tmp_path / "m.safetensors"
    group = ["--group", "head"] if saliency == "head-importance" else []
    common = ["--saliency", saliency, "--prune-set", "body", "--calibration-batches", "3", "--sparsity", "0.5", *group]
    training = run_training("ticket", "--mask-from", parent, *common, "--rewind-points 0")
    monkeypatch.setattr(
        "sys.argv", ["nmt-prune", "mask", str(parent), "--out", str(out), "--data", str(corpus), *common]
    )
    app(standalone_mode=False)
    masks, facts = load_masks(out)
    command = ["nmt-prune", "ticket", "--mask-from", parent, "--out", tmp_path / "t.pt", "--data", corpus, *common]
    monkeypatch.setattr("sys.argv", [*map(str, command), "--reset", "keep"])
    app(standalone_mode=False)
    assert Checkpoint.load(tmp_path / "t.pt").masks == masks
    assert_same({name: masks[name] for name in training.masks()}, training.masks())
    assert facts["calibration_batches"] == 3
    assert EMBEDDING not in training.masks()
    trained = dense.weights()
    start = training.weights("rewind_0")
    assert all(torch.equal(start[name], trained[name] * mask) for name, mask in training.masks().items())


def test_a_pruned_parent_is_measured_as_it_is(run_training, dense):
    first = run_training("first", "--mask-from", dense.folder / "checkpoint_last.pt", "--sparsity 0.5")
    flags = ("--mask-from", first.folder / "checkpoint_last.pt", "--saliency snip --sparsity 0.8", SMALL)
    second = run_training("second", *flags)
    assert sparsity(second.masks()) == pytest.approx(0.8, abs=1e-3)
    assert not any((mask & ~first.masks()[name]).any() for name, mask in second.masks().items())


@pytest.mark.parametrize("precision", ["", "--fp16 --fp16-no-flatten-grads --fp16-init-scale 4"])
def test_a_growing_mask_is_measured_anew(run_training, precision):
    flags = "--schedule cubic:interval=2,end=8 --sparsity 0.8 --saliency snip"
    training = run_training("grown", flags, SMALL, precision)
    shares = [line["sparsity"] for line in training.progress()]
    assert shares[-1] == pytest.approx(0.8, abs=1e-3)
    assert len(set(shares)) == 5
    assert shares == sorted(shares)
    assert not any(training.weights()[name][~mask].any() for name, mask in training.masks().items())
    by_magnitude = run_training("magnitude", flags, "--saliency magnitude", precision).masks()
    assert any(not torch.equal(mask, by_magnitude[name]) for name, mask in training.masks().items())


def test_a_growing_mask_goes_on_after_a_restart(run_training, monkeypatch):
    flags = "--schedule cubic:interval=2,end=8 --sparsity 0.8 --saliency taylor --save-interval-updates 3"
    whole, train_step = run_training("whole", flags, SMALL), Trainer.train_step

    def killed(trainer, *arguments):
        if trainer.get_num_updates() == 5:
            raise KeyboardInterrupt
        return train_step(trainer, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", killed)
        with pytest.raises(KeyboardInterrupt):
            run_training("parts", flags, SMALL)
    parts = run_training("parts", flags, SMALL)
    assert_same(whole.masks(), parts.masks())
    assert_same(whole.weights(), parts.weights())


@pytest.mark.parametrize("flags", ["--saliency snip --sparsity 0.8", "--saliency grasp --sparsity 0.8"])
def test_workers_measure_the_same(corpus, tmp_path, flags):
    states = train_on_two(corpus, tmp_path, flags, SMALL, "--max-update 3")
    assert_equal_workers(states, tmp_path, 0.8)


def test_workers_measure_the_same_while_the_mask_grows(corpus, tmp_path):
    flags = "--saliency taylor --sparsity 0.8 --schedule cubic:interval=2,end=4"
    states = train_on_two(corpus, tmp_path, flags, SMALL, "--max-update 5")
    assert_equal_workers(states, tmp_path, 0.8)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--saliency snip --calibration-batches 0", "the calibration set is empty: give --calibration-batches"),
        ("--saliency snop", "unknown saliency 'snop'; did you mean snip"),
        ("--saliency synflow --budget global", "with --budget global also give --prune-set body"),
        ("--saliency head-importance", "--group head or unit"),
    ],
)
def test_mistakes_end_the_training_before_it_begins(run_training, tmp_path, flags, message):
    with pytest.raises(SystemExit, match=f"^nmt-prune: error: .*{message}") as error:
        run_training("refused", flags, "--sparsity 0.8")
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "refused").glob("*.pt"))


def test_the_command_line_says_what_it_needs(dense, tmp_path, monkeypatch, capsys):
    from nmt_prune.cli import main

    out = tmp_path / "m.safetensors"
    parent = dense.folder / "checkpoint_last.pt"
    for extra, message in (
        ([], "nmt-prune: error: saliency taylor is measured on training data: give --data"),
        (["--data", str(tmp_path)], "cannot be measured on --data"),
    ):
        command = ["nmt-prune", "mask", str(parent), "--out", str(out), "--sparsity", "0.5", "--saliency", "taylor"]
        monkeypatch.setattr("sys.argv", [*command, *extra])
        with pytest.raises(SystemExit) as error:
            main()
        assert error.value.code == 1
        last = capsys.readouterr().err.strip().splitlines()[-1]
        assert message in last
        assert not out.exists()


def test_synflow_of_a_checkpoint_needs_no_data(dense, tmp_path, monkeypatch):
    from nmt_prune.cli import app

    out, parent = tmp_path / "m.safetensors", dense.folder / "checkpoint_last.pt"
    command = ["nmt-prune", "mask", str(parent), "--out", str(out), "--sparsity", "0.8", "--saliency", "synflow"]
    monkeypatch.setattr("sys.argv", command)
    app(standalone_mode=False)
    assert load_masks(out)[0].sparsity() == pytest.approx(0.8, abs=1e-3)
    assert "calibration_batches" not in load_masks(out)[1]
    assert Checkpoint.load(parent).masks.sparsity() == 0
