"""Tickets, as the trained model sees them: what it starts with and what is left at the end (ANCHORS: rewinding)."""

import math

import pytest
import torch
from torch import Tensor

from tests.tasks.training import EMBEDDING, FC1, Training, assert_same

pytestmark = pytest.mark.slow

QUERY = "decoder.layers.0.encoder_attn.q_proj.weight"
START = "--rewind-points 0"  # of the ticket's own training: what fairseq has loaded


def ticket(run_training, parent: Training, *flags: object, name: str = "ticket") -> Training:
    return run_training(name, "--mask-from", parent.folder / "checkpoint_last.pt", START, *flags)


def rewound(parent: Training, update: int) -> tuple[object, ...]:
    return ("--rewind-from", parent.folder / f"rewind_{update}.pt")


def largest(weight: Tensor, share: float, padding: int | None = None) -> Tensor:
    """The mask of the largest weights, by sorting."""
    magnitude = weight.abs().clone()
    rows = [row for row in range(len(weight)) if row != padding]
    kept = int((1 - share) * magnitude[rows].numel() + 0.5)
    threshold = magnitude[rows].flatten().sort(descending=True).values[kept - 1]
    mask = magnitude >= threshold
    if padding is not None:
        mask[padding] = True
    return mask


def assert_held(training: Training) -> None:
    """The masks of the start are those of the end, and their weights zero at both."""
    masks = training.masks("rewind_0")
    assert masks
    assert_same(masks, training.masks())
    for name in ("rewind_0", "checkpoint_last"):
        weights = training.weights(name)
        assert all(not weights[key][~mask].any() for key, mask in masks.items())
    trained, start = training.weights(), training.weights("rewind_0")
    assert not any(torch.equal(trained[key][mask], start[key][mask]) for key, mask in masks.items())


@pytest.mark.parametrize("update", [0, 4], ids=["lottery ticket", "stabilized lottery ticket"])
def test_survivors_start_from_the_rewind_point(run_training, dense, update):
    training = ticket(run_training, dense, "--sparsity 0.5 --reset rewind", *rewound(dense, update))
    assert_held(training)
    masks, trained = training.masks(), dense.weights()
    assert len(masks) == 17  # 6 matrices in the encoder's layer, 10 in the decoder's, one embedding
    for key, mask in masks.items():
        assert torch.equal(mask, largest(trained[key], 0.5, padding=1 if key == EMBEDDING else None)), key
    point, start = dense.weights(f"rewind_{update}"), training.weights("rewind_0")
    for key, weight in point.items():
        mask = masks.get(EMBEDDING if weight.shape == point[EMBEDDING].shape else key)
        assert torch.equal(start[key], weight if mask is None else weight * mask), key


def test_constant_tickets_have_the_signs_of_the_rewind_point(run_training, dense):
    training = ticket(run_training, dense, "--sparsity 0.5 --reset sign", *rewound(dense, 4))
    assert_held(training)
    start, point = training.weights("rewind_0"), dense.weights("rewind_4")
    for key, mask in training.masks().items():
        constant = torch.where(mask, point[key].sign() * math.sqrt(6 / sum(mask.shape)), torch.zeros(()))
        if key == EMBEDDING:
            constant[1] = point[key][1]  # the padding row, which the output projection trains, is left alone
        assert torch.equal(start[key], constant), key
    trained = dense.weights()
    differ = [((trained[key].sign() != point[key].sign()) & mask).any() for key, mask in training.masks().items()]
    assert any(differ)  # so these are not the signs of the trained weights


def test_random_signs_are_the_seeds(run_training, dense):
    def start(name: str, seed: int) -> dict[str, Tensor]:
        flags = ("--sparsity 0.5 --reset random-sign --prune-seed", str(seed), *rewound(dense, 4))
        training = ticket(run_training, dense, *flags, name=name)
        assert_held(training)
        return training.weights("rewind_0")

    one, same, other = start("one", 1), start("same", 1), start("other", 2)
    assert_same(one, same)
    bound = torch.tensor(math.sqrt(6 / 36)).item()
    assert set(one[FC1].unique().tolist()) == {-bound, 0.0, bound}
    assert not torch.equal(one[FC1], other[FC1])
    assert torch.equal(one[FC1].abs(), other[FC1].abs())


def test_reinitialised_survivors_are_new(run_training, dense):
    training = ticket(run_training, dense, "--sparsity 0.5 --reset reinit")
    assert_held(training)
    start, mask = training.weights("rewind_0")[FC1], training.masks()[FC1]
    for known in (dense.weights(), dense.weights("rewind_0")):
        assert not (start == known[FC1])[mask].any()
    assert start.abs().max() <= 16**-0.5


def test_shuffled_survivors_are_the_same_values_elsewhere(run_training, dense):
    training = ticket(run_training, dense, "--sparsity 0.5 --reset shuffle", *rewound(dense, 4))
    assert_held(training)
    start, point, mask = training.weights("rewind_0")[QUERY], dense.weights("rewind_4")[QUERY], training.masks()[QUERY]
    assert torch.equal(start[mask].sort().values, point[mask].sort().values)
    assert not torch.equal(start[mask], point[mask])


def test_kept_survivors_are_the_trained_ones(run_training, dense):
    training = ticket(run_training, dense, "--sparsity 0.5")
    assert_held(training)
    mask = training.masks()[FC1]
    assert torch.equal(training.weights("rewind_0")[FC1], dense.weights()[FC1] * mask)


def test_a_ladder_prunes_what_the_rung_below_has_left(run_training, dense):
    flags = ("--reset rewind", *rewound(dense, 4))
    first = ticket(run_training, dense, "--sparsity 0.5", *flags, name="first")
    second = ticket(run_training, first, "--sparsity 0.75", *flags, name="second")
    assert_held(second)
    for key, mask in second.masks().items():
        assert not (mask & ~first.masks()[key]).any()
        if key != EMBEDDING:
            weight = first.weights()[key]
            assert torch.equal(mask, largest(weight, 0.75)), key


def test_a_mask_file_is_used_as_it_is(run_training, dense, tmp_path):
    from nmt_prune.checkpoints import Checkpoint
    from nmt_prune.masks.mask_file import save_masks

    first = ticket(run_training, dense, "--sparsity 0.5 --saliency random --reset rewind", *rewound(dense, 4))
    file = tmp_path / "mask.safetensors"
    save_masks(Checkpoint.load(first.folder / "checkpoint_last.pt").masks, file, {})
    same = run_training("same", "--mask-from", file, START, "--reset rewind", *rewound(dense, 4))
    assert_same(first.state("rewind_0")["model"], same.state("rewind_0")["model"])
    assert_same(first.weights(), same.weights())
    fresh = run_training("fresh", "--mask-from", file, START)
    assert_held(fresh)
    assert_same(fresh.masks(), first.masks())
    assert torch.equal(fresh.weights("rewind_0")[FC1], dense.weights("rewind_0")[FC1] * first.masks()[FC1])


@pytest.mark.parametrize("control", ["shuffled", "inverted"])
def test_control_masks_have_the_same_counts(run_training, dense, control):
    flags = ("--sparsity 0.75 --reset rewind", *rewound(dense, 4))
    real = ticket(run_training, dense, *flags, name="real").masks()
    training = ticket(run_training, dense, *flags, "--mask-control", control, name="control")
    assert_held(training)
    for key, mask in training.masks().items():
        assert mask.sum() == real[key].sum()
        both = (mask & real[key]).sum() - (16 if key == EMBEDDING else 0)
        assert both == 0 if control == "inverted" else 0 < both < mask.sum()


def test_the_body_alone_can_be_pruned(run_training, dense):
    training = ticket(run_training, dense, "--sparsity 0.5 --prune-set body")
    assert_held(training)
    assert EMBEDDING not in training.masks()
    assert training.progress()[-1]["sparsity_body"] == 0.5


@pytest.mark.parametrize(("group", "budget", "kept"), [("head", "matrix", 1), ("unit", "global", None)])
def test_heads_and_units_are_pruned_in_training_too(run_training, dense, group, budget, kept):
    """Two heads of eight in every attention, twenty units in every feed-forward sublayer."""
    flags = f"--group {group} --budget {budget} --sparsity 0.5 --prune-set body"
    ticket = run_training("group", "--mask-from", dense.folder / "checkpoint_last.pt", flags)
    growing = run_training("growing", flags, "--schedule cubic:interval=2")
    for training in (ticket, growing):
        masks = {name: mask for name, mask in training.masks().items() if not mask.all()}
        assert not any(training.weights()[name][~mask].any() for name, mask in masks.items())
        if group == "head":
            outputs = [mask for name, mask in masks.items() if name.endswith("out_proj.weight")]
            assert [mask.view(16, 2, 8).all(dim=(0, 2)).sum() for mask in outputs] == [kept] * 3
        else:
            assert sum(mask.any(dim=0).sum() for name, mask in masks.items() if name.endswith("fc2.weight")) == 20
            assert all(name.endswith(("fc1.weight", "fc2.weight")) for name in masks)
