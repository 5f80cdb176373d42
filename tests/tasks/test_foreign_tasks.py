"""A masked model keeps its zeros whatever task trains it."""

import pytest
import torch

from nmt_prune.checkpoints import Checkpoint
from tests.tasks.training import MASK, Training

pytestmark = pytest.mark.slow

STOCK_TASK = "--task translation --arch masked_transformer_tiny"
TRAININGS = {
    "adam": "--optimizer adam --weight-decay 0.1",
    "adafactor": "--optimizer adafactor --beta1 0.9 --weight-decay 0.1",
    "sgd": "--optimizer sgd --momentum 0.9 --lr 0.1 --weight-decay 0.1",
    "nag": "--optimizer nag --momentum 0.9 --weight-decay 0.1",
    "fp16": "--fp16 --fp16-no-flatten-grads --fp16-init-scale 4",
    "memory-efficient fp16": "--memory-efficient-fp16 --fp16-init-scale 4",
    "amp": "--amp",
    "accumulated": "--update-freq 2",
}


@pytest.fixture(scope="module")
def sparse(corpus, dense, tmp_path_factory) -> Training:
    from tests.tasks.training import train

    flags = ("--mask-from", dense.folder / "checkpoint_last.pt", "--sparsity 0.8")
    return train(corpus, tmp_path_factory.mktemp("sparse"), *flags)


def assert_held(training: Training, parent: Training) -> None:
    masks, weights = training.masks(), training.weights()
    assert masks.keys() == parent.masks().keys()
    assert all(torch.equal(mask, parent.masks()[key]) for key, mask in masks.items())
    assert not any(weights[key][~mask].any() for key, mask in masks.items())
    assert any((weights[key] != parent.weights()[key])[mask].any() for key, mask in masks.items())


@pytest.mark.parametrize("flags", TRAININGS.values(), ids=TRAININGS)
def test_fine_tuning(run_training, sparse, flags):
    tuned = run_training("run", STOCK_TASK, "--finetune-from-model", sparse.folder / "checkpoint_last.pt", flags)
    assert_held(tuned, sparse)


def test_going_on(run_training, sparse):
    flags = ("--restore-file", sparse.folder / "checkpoint_last.pt", "--max-update 16 --save-interval-updates 1")
    training = run_training("run", STOCK_TASK, *flags)
    assert training.state()["optimizer_history"][-1]["num_updates"] == 16
    assert_held(training, sparse)


def test_moments_of_what_is_pruned_revive_nothing(run_training, dense, sparse, tmp_path):
    state = sparse.state()
    state["last_optimizer_state"] = dense.state()["last_optimizer_state"]
    torch.save(state, tmp_path / "mixed.pt")
    training = run_training("run", STOCK_TASK, "--restore-file", tmp_path / "mixed.pt", "--max-update 16")
    assert_held(training, sparse)


def test_without_that_weights_come_back(run_training, sparse, monkeypatch):
    """The control: nothing else holds them."""
    from nmt_prune.training.masking import Masking

    monkeypatch.setattr(Masking, "hold", lambda masking, model: None)
    tuned = run_training("run", STOCK_TASK, "--finetune-from-model", sparse.folder / "checkpoint_last.pt")
    masks, weights = tuned.masks(), tuned.weights()
    assert sum(int((weights[key][~mask] != 0).sum()) for key, mask in masks.items()) > 100


COMMANDS = {
    "inspect": "inspect {bad}",
    "mask": "mask {bad} --sparsity 0.9 --out out.safetensors",
    "ticket": "ticket --mask-from {bad} --sparsity 0.9 --out out.pt",
    "ticket of a file": "ticket --mask-from {mask} --rewind-from {bad} --out out.pt",
    "compare": "compare {bad} {good}",
    "stability": "stability {good} {bad}",
    "strip": "strip {bad} --out out.pt",
    "average": "average {good} {bad} --out out.pt",
    "shrink": "shrink {bad} --out out.pt",
    "quantize": "quantize {bad} --quantizer ternary --out out.pt",
    "pack": "pack {bad} --data {data} --out out.nmt",
    "translate": "translate {bad} --data {data}",
    "export": "export fairseq {bad} --out out.pt",
    "export ctranslate2": "export ctranslate2 {bad} --data {data} --out out",
    "score": "score --checkpoint {bad} --data {data} --reference {mask} --out out.json",
    "search": "search {bad} --data {data} --out out",
    "transfer": "transfer {bad} --from-data {data} --to-data {data} --out out.safetensors",
    "profile": "profile {bad} --data {data}",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_tool_refuses_weights_that_came_back(run, sparse, corpus, tmp_path, name):
    from nmt_prune.masks.mask_file import save_masks

    good = sparse.folder / "checkpoint_last.pt"
    save_masks(Checkpoint.load(good).masks, tmp_path / "m.safetensors", {})
    state = sparse.state()
    matrix = next(key for key in state["model"] if key.startswith(MASK) and "fc1" in key)
    state["model"][matrix.removeprefix(MASK)].fill_(0.5)
    torch.save(state, tmp_path / "bad.pt")
    files = {"good": good, "bad": tmp_path / "bad.pt", "mask": tmp_path / "m.safetensors", "data": corpus}
    before = set(tmp_path.iterdir())
    status, _, error = run(*(word.format_map(files) for word in COMMANDS[name].split()))
    assert status == 1
    assert f"bad.pt: 256 weights of {matrix.removeprefix(MASK)} that its mask removes are not zero" in error
    assert set(tmp_path.iterdir()) == before
