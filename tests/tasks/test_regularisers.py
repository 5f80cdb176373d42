"""Penalties in real trainings, and the mask that they leave behind."""

import pytest
import torch

from tests.tasks.test_data_parallel import train_on_two
from tests.tasks.training import FC1, MASK, assert_same, load

pytestmark = pytest.mark.slow

BLOCKS = "--group block:rows=1,columns=4 --prune-set body"
PROXIMAL = f"{BLOCKS} --regulariser clipped-group-lasso:strength=5,step=proximal"


def test_wpc_in_two_trainings(run_training, dense):
    """A penalty on blocks, then what it has emptied is the mask of the second training."""
    first = run_training("penalty", "--finetune-from-model", dense.folder / "checkpoint_last.pt", PROXIMAL)
    share = first.progress()[-1]["negligible_groups"]
    assert 0.05 < share < 1
    assert not first.masks()
    flags = ("--mask-from", first.folder / "checkpoint_last.pt", BLOCKS, "--budget threshold")
    second = run_training("frozen", *flags)
    blocks = {name: mask.view(mask.shape[0], -1, 4).any(-1) for name, mask in second.masks().items()}
    gone = sum(int((~alive).sum()) for alive in blocks.values())
    groups = sum(w.numel() // 4 for name, w in first.weights().items() if ".layers." in name and w.dim() == 2)
    assert gone / groups == pytest.approx(share, abs=1e-3)
    assert all(not second.weights()[name][~mask].any() for name, mask in second.masks().items())
    assert_same(run_training("frozen", *flags, "--max-update 14").masks(), second.masks())  # it goes on, too


def test_what_a_penalty_has_emptied_goes_in_the_same_training(run_training, dense):
    start = ("--finetune-from-model", dense.folder / "checkpoint_last.pt", PROXIMAL)
    once = "--budget threshold --schedule oneshot:at=8"
    training = run_training("one", *start, once)
    shares = [line["sparsity_body"] for line in training.progress()]
    assert shares[6] == 0 < shares[8] == shares[-1]
    more = run_training("one", *start, once, "--max-update 14")
    assert_same(more.masks(), training.masks())
    with pytest.raises(SystemExit, match=r"--budget threshold prunes at once, and --schedule cubic:interval=2 in \d+"):
        run_training("cubic", *start, "--budget threshold --schedule cubic:interval=2")
    with pytest.raises(SystemExit, match="goes on at update 0, where --budget threshold prunes no more: give it with"):
        run_training("never", *start, "--budget threshold")
    ticket = ("--mask-from", dense.folder / "checkpoint_last.pt", "--reset keep --clock keep --max-update 20")
    with pytest.raises(SystemExit, match="--clock keep goes on at update 12, where --budget threshold prunes no more"):
        run_training("late", *ticket, once)


def test_a_mask_from_the_same_training(run_training):
    flags = f"{BLOCKS} --regulariser clipped-group-lasso:strength=0.1 --sparsity 0.5"
    training = run_training("one", flags, "--schedule oneshot:at=8")
    assert training.masks()[FC1].sum() == training.masks()[FC1].numel() / 2
    penalties = [line["penalty"] for line in training.progress()]
    assert penalties[6] < penalties[0]
    assert {line["revived"] for line in training.progress()} == {0}


@pytest.mark.parametrize("precision", ["--fp16 --fp16-no-flatten-grads --fp16-init-scale 4", "--update-freq 2"])
@pytest.mark.parametrize("step", ["loss", "proximal"])
def test_other_ways_of_training(run_training, precision, step, monkeypatch):
    monkeypatch.setattr(torch.cuda, "current_device", lambda: None)
    flags = f"--group unit --regulariser group-lasso:strength=1,step={step}"
    training, without = run_training("with", flags, precision), run_training("without", precision)
    assert training.weights()[FC1].float().norm() < without.weights()[FC1].float().norm()


def test_workers_stay_equal(corpus, tmp_path):
    first, second = train_on_two(corpus, tmp_path, PROXIMAL, "--max-update 4")
    assert not any(key.startswith(MASK) for key in first["model"])
    assert_same(first["model"], second["model"])
    assert_same(first["model"], load(tmp_path / "run" / "checkpoint_last.pt")["model"])


def test_a_step_that_half_precision_would_lose_is_refused(run_training, monkeypatch):
    monkeypatch.setattr(torch.cuda, "current_device", lambda: None)
    with pytest.raises(SystemExit, match="step=proximal shrinks weights by less than half precision can tell"):
        run_training("half", PROXIMAL, "--memory-efficient-fp16 --fp16-init-scale 4")


def test_single_weights_are_refused(run_training):
    with pytest.raises(SystemExit, match=r"^nmt-prune: error: --regulariser penalises groups of weights"):
        run_training("refused", "--regulariser group-lasso")
