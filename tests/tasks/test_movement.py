"""Scores that are learned in real trainings: exact masks at the end, resumed and on two workers as in one piece."""

import pytest
import torch
from fairseq.trainer import Trainer

from tests.devices import everywhere
from tests.tasks.test_data_parallel import assert_equal_workers, train_on_two
from tests.tasks.training import EMBEDDING, FC1, MASK, assert_same, load

pytestmark = pytest.mark.slow

MOVEMENT = "--saliency movement --schedule cubic:interval=3,end=9 --sparsity 0.8"
FLAGS = {
    "hard": MOVEMENT,
    "update-freq": f"{MOVEMENT} --update-freq 2",
    "fp16": f"{MOVEMENT} --fp16 --fp16-no-flatten-grads --fp16-init-scale 4",
    "published": MOVEMENT.replace("movement", "movement:straight_through=false"),
}


def sparsity(masks):
    kept = sum(int(mask.sum()) for mask in masks.values())
    size = sum(mask.numel() for mask in masks.values())
    return 1 - (kept - 16) / (size - 16)  # 16: the padding row


def killed_at(monkeypatch, run, at):
    """Kills the training that ``run`` starts, in the middle of an update."""
    train_step = Trainer.train_step

    def step(trainer, *arguments):
        if trainer.get_num_updates() == at:
            raise KeyboardInterrupt
        return train_step(trainer, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", step)
        with pytest.raises(KeyboardInterrupt):
            run()


@everywhere
@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS)
def test_masks_are_held_from_the_end_of_the_schedule_on(run_training, flags):
    training = run_training("movement", flags, "--rewind-points 8")
    lines = training.progress()
    assert [line["sparsity"] for line in lines[:8]] == [0] * 8
    assert [line["sparsity"] for line in lines[8:]] == pytest.approx([0.8] * 4, abs=1e-3)
    assert {line["revived"] for line in lines} == {0}
    seen = [line["learned_sparsity"] for line in lines]
    assert seen[3] == pytest.approx(0.8 * (1 - (1 - 3 / 9) ** 3), abs=1e-3)  # of the update itself, the fourth
    assert seen[-1] == lines[-1]["sparsity"]
    masks, weights = training.masks(), training.weights()
    assert sparsity(masks) == pytest.approx(0.8, abs=1e-3)
    assert not any(weights[name][~mask].any() for name, mask in masks.items())
    assert training.weights("rewind_8")[FC1].count_nonzero() > 0.95 * weights[FC1].numel()
    assert not any(key.startswith(MASK) for key in training.state("rewind_8")["model"])
    assert training.state()["task_state"]["movement"] == {"updates": 12}


def test_it_is_not_magnitude_pruning(run_training):
    movement = run_training("movement", MOVEMENT).masks()
    magnitude = run_training("magnitude", MOVEMENT, "--saliency magnitude").masks()
    assert sum(int((mask & magnitude[name]).sum()) for name, mask in movement.items()) < 0.6 * sum(
        int(mask.sum()) for mask in movement.values()
    )


@pytest.mark.parametrize("at", [5, 8, 10])
def test_a_killed_training_goes_on(run_training, monkeypatch, at):
    whole = run_training("whole", MOVEMENT)
    killed_at(monkeypatch, lambda: run_training("parts", MOVEMENT, "--save-interval-updates 1"), at)
    parts = run_training("parts", MOVEMENT, "--save-interval-updates 1")
    assert [line["num_updates"] for line in parts.progress()] == [*range(at + 1, 13)]
    assert_same(whole.state()["model"], parts.state()["model"])


def test_two_workers_learn_the_same(corpus, tmp_path):
    assert_equal_workers(train_on_two(corpus, tmp_path, MOVEMENT, "--max-update 10"), tmp_path, 0.8)


def test_from_a_parent_without_its_embedding(run_training, dense):
    flags = ("--mask-from", dense.folder / "checkpoint_last.pt", MOVEMENT, "--prune-set body --rewind-points 0")
    training = run_training("body", *flags)
    assert EMBEDDING not in training.masks()
    assert_same(training.weights("rewind_0"), dense.weights())
    sparser = ("--mask-from", training.folder / "checkpoint_last.pt", MOVEMENT, "--prune-set body --sparsity 0.9")
    masks = run_training("again", *sparser).masks()
    assert not any((mask & ~training.masks()[name]).any() for name, mask in masks.items())


def test_validation_sees_the_mask_and_no_dense_model_is_the_best(run_training):
    flags = "--save-interval-updates 6 --eval-bleu --best-checkpoint-metric bleu --maximize-best-checkpoint-metric"
    training = run_training("bleu", MOVEMENT, flags, without="--disable-validation")
    assert training.progress("valid")[0]["valid_bleu"] == 0
    assert training.masks("checkpoint_best")
    dense = run_training("dense", "--max-update 6", without="--disable-validation")
    first = training.progress("valid")[0]
    assert first["valid_num_updates"] == 6
    assert first["valid_loss"] != dense.progress("valid")[-1]["valid_loss"]


def test_units_by_movement(run_training):
    training = run_training("units", MOVEMENT, "--group unit:reduce=sum --sparsity 0.5")
    masks = training.masks()
    assert int(masks[FC1].any(dim=1).sum()) == 10
    assert torch.equal(masks[FC1].any(dim=1), masks[FC1].all(dim=1))


SOFT = "--saliency soft-movement:exact=false,lr=0.5,strength=2000 --schedule cubic:interval=3,end=9 --sparsity 0.8"


def test_soft_movement_meets_the_sparsity(run_training):
    training = run_training("exact", MOVEMENT.replace("movement", "soft-movement"))
    lines, masks = training.progress(), training.masks()
    assert [line["learned_sparsity"] for line in lines[:8:3]] == pytest.approx(
        [0.8 * (1 - (1 - update / 9) ** 3) for update in (0, 3, 6)], abs=1e-3
    )
    assert sparsity(masks) == pytest.approx(0.8, abs=1e-3)
    assert len({float(mask.float().mean()) for mask in masks.values()}) > len(masks) / 2, "not one share for each"


def test_soft_movement_keeps_what_the_threshold_leaves(run_training, monkeypatch):
    training = run_training("soft", SOFT)
    lines, masks = training.progress(), training.masks()
    assert [line["sparsity"] for line in lines[:8]] == [0] * 8
    assert 0.05 < lines[-1]["sparsity"] <= 0.995
    assert sparsity(masks) == pytest.approx(lines[-1]["sparsity"], abs=1e-3)
    assert not any(training.weights()[name][~mask].any() for name, mask in masks.items())
    assert {line["revived"] for line in lines} == {0}
    killed_at(monkeypatch, lambda: run_training("parts", SOFT, "--save-interval-updates 1"), 7)
    assert_same(training.state()["model"], run_training("parts", SOFT).state()["model"])


def test_a_training_that_began_by_the_old_spelling_is_begun_anew(run_training, tmp_path, monkeypatch):
    old, now = (MOVEMENT.replace("movement", spelling) for spelling in ("movement:soft=true", "soft-movement"))
    killed_at(monkeypatch, lambda: run_training("old", now, "--save-interval-updates 1"), 2)
    last = tmp_path / "old" / "checkpoint_last.pt"
    state = load(last)
    state["task_state"]["start"]["flags"]["saliency"] = "movement:soft=true"
    state["task_state"]["movement"] = state["task_state"].pop("soft-movement")
    torch.save(state, last)
    before = last.read_bytes()
    for flags, message in (
        (old, "unknown setting 'soft'; movement takes lr, optimizer, straight_through; did you mean soft-movement"),
        (now, "began with --saliency movement:soft=true, not --saliency soft-movement: .* another --save-dir"),
    ):
        with pytest.raises(SystemExit, match=f"^nmt-prune: error: .*{message}"):
            run_training("old", flags)
    assert last.read_bytes() == before


def test_a_pattern_that_the_schedule_cannot_reach_is_one_line(run_training):
    flags = "--saliency movement --schedule cubic --budget nm:keep=2,of=4 --prune-set body --sparsity 0.5"
    with pytest.raises(SystemExit, match=r"^nmt-prune: error: --budget nm prunes at once, and --schedule cubic in"):
        run_training("refused", flags)


@pytest.mark.parametrize("start", ["", "--mask-from {}"])
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--schedule constant", "learned while training"),
        ("--store-ema", "--saliency movement has masks that come and go.* drop --store-ema"),
        ("--schedule rigl", "choose a schedule that changes the mask|learned while training"),
        ("--group head", "give --group NAME:reduce=sum"),
        ("--saliency movement:rate=1", "unknown setting 'rate'; movement takes lr, optimizer, straight_through"),
        ("--sparse-lr 1", "--sparse-lr 1 follows the mask of the forward pass, which --saliency movement has none of"),
        ("--mask-control shuffled", "--mask-control shuffled needs a finished mask, which --saliency movement learns"),
    ],
)
def test_what_cannot_go_together_is_refused(run_training, dense, tmp_path, flags, message, start):
    with pytest.raises(SystemExit, match=f"^nmt-prune: error: .*({message})") as error:
        run_training("refused", MOVEMENT, flags, start.format(dense.folder / "checkpoint_last.pt"))
    assert "\n" not in str(error.value)
    folder = tmp_path / "refused"
    assert not folder.exists() or list(folder.iterdir()) == []
