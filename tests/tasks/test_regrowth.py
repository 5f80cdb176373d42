"""RigL in real trainings: the same density all along, resumed and on two workers as in one piece."""

import pytest
import torch
from fairseq.trainer import Trainer

from tests.devices import everywhere
from tests.tasks.test_data_parallel import assert_equal_workers, train_on_two
from tests.tasks.training import EMBEDDING, assert_same

pytestmark = pytest.mark.slow

RIGL = "--schedule rigl:interval=2,end=1,share=0.5 --saliency random --budget erk --sparsity 0.8"


def counts(masks):
    return {name: int(mask.sum()) for name, mask in masks.items()}


def moved(one, other):
    return sum(int((mask & ~other[name]).sum()) for name, mask in one.items())


@everywhere
@pytest.mark.parametrize("flags", ["", "--update-freq 2", "--fp16 --fp16-no-flatten-grads --fp16-init-scale 4"])
def test_the_mask_moves_and_the_counts_stay(run_training, flags):
    training = run_training("rigl", RIGL, flags, "--save-interval-updates 1 --rewind-points 0")
    start = training.masks("rewind_0")
    assert len(start) >= 16  # a matrix that ERK leaves dense has no mask
    before = start
    for update in range(1, 13):
        name = "checkpoint_last" if update == 12 else f"checkpoint_1_{update}"
        masks, weights = training.masks(name), training.weights(name)
        assert counts(masks) == counts(start)
        assert not any(weights[name][~mask].any() for name, mask in masks.items())
        # A checkpoint after t updates holds the move of the update that followed t - 1 others.
        assert (moved(masks, before) > 0) == (update in (3, 5, 7, 9, 11)), update
        if update in (3, 5, 7, 9, 11):
            new = {name: masks[name] & ~before[name] for name in masks}
            assert not any(weights[name][chosen].any() for name, chosen in new.items())
        before = masks
    assert {line["revived"] for line in training.progress()} == {0}
    assert {line["sparsity"] for line in training.progress()} == {0.8}


def test_grown_weights_learn(run_training):
    training = run_training("rigl", RIGL, "--rewind-points 0")
    start, end, weights = training.masks("rewind_0"), training.masks(), training.weights()
    grown = [weights[name][mask & ~start[name]] for name, mask in end.items()]
    assert sum(int(values.count_nonzero()) for values in grown) > 100


def test_outside_the_prune_set_nothing_moves(run_training):
    masks = run_training("rigl", RIGL, "--prune-set body").masks()
    assert EMBEDDING not in masks


@pytest.mark.parametrize("at", [4, 5])
def test_a_killed_training_goes_on(run_training, monkeypatch, at):
    whole, train_step = run_training("whole", RIGL), Trainer.train_step

    def killed(trainer, *arguments):
        if trainer.get_num_updates() == at:
            raise KeyboardInterrupt
        return train_step(trainer, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", killed)
        with pytest.raises(KeyboardInterrupt):
            run_training("parts", RIGL, "--save-interval-updates 1")
    parts = run_training("parts", RIGL, "--save-interval-updates 1")
    assert [line["num_updates"] for line in parts.progress()] == [*range(at + 1, 13)]
    assert_same(whole.state()["model"], parts.state()["model"])


def test_two_workers_move_the_same(corpus, tmp_path):
    flags = RIGL.replace("--budget erk", "--budget matrix")
    assert_equal_workers(train_on_two(corpus, tmp_path, flags, "--max-update 8"), tmp_path, 0.8)


@everywhere
def test_a_ticket_moves_too(run_training, dense):
    ticket = run_training("ticket", "--mask-from", dense.folder / "checkpoint_last.pt", RIGL, "--rewind-points 0")
    assert counts(ticket.masks()) == counts(ticket.masks("rewind_0"))
    assert any(not torch.equal(mask, ticket.masks("rewind_0")[name]) for name, mask in ticket.masks().items())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--group unit", "--schedule rigl moves single weights: leave out --group"),
        ("--budget nm:keep=2,of=4 --sparsity 0.5 --prune-set body", "choose another --budget than nm"),
        ("--store-ema", "drop --store-ema"),
        ("--sparsity 0", "does nothing here: no --sparsity"),
        ("--max-update 0", "give --max-update"),
    ],
)
def test_what_cannot_go_together_is_refused(run_training, tmp_path, flags, message):
    with pytest.raises(SystemExit, match=f"^nmt-prune: error: .*{message}") as error:
        run_training("refused", RIGL, flags)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "refused").glob("*.pt"))
