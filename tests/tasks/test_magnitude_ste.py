"""Training with dense gradients: what is saved is always a masked model, and goes on as in one piece."""

import pytest

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.inspection.description import inspect
from tests.tasks.test_data_parallel import assert_equal_workers, train_on_two
from tests.tasks.test_movement import killed_at, sparsity
from tests.tasks.training import FC1, MASK, assert_same, tensors

pytestmark = pytest.mark.slow

STE = "--saliency magnitude-ste:decay=0.01 --schedule cubic:interval=3,end=9 --sparsity 0.8"
FLAGS = {
    "fp32": STE,
    "update-freq": f"{STE} --update-freq 2",
    "fp16": f"{STE} --fp16 --fp16-no-flatten-grads --fp16-init-scale 4",
    "average": f"{STE} --store-ema --ema-decay 0.9",
    "adafactor": f"{STE} --optimizer adafactor",
}
EVERY = "--save-interval-updates 1"


@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS)
def test_every_checkpoint_is_the_masked_model(run_training, flags):
    training = run_training("ste", flags, EVERY, "--rewind-points 5")
    lines = training.progress()
    assert [line["sparsity"] for line in lines[:8]] == [0] * 8
    assert [line["sparsity"] for line in lines[8:]] == pytest.approx([0.8] * 4, abs=1e-3)
    assert {line["revived"] for line in lines} == {0}
    expected = [0.8 * (1 - (1 - min(update, 9) // 3 * 3 / 9) ** 3) for update in range(1, 13)]
    for update, share in enumerate(expected, start=1):
        saved = training.folder.glob(f"checkpoint_*_{update}.pt")
        checkpoint = Checkpoint.load(next(saved, training.folder / "checkpoint_last.pt"))  # which checks its zeros
        assert checkpoint.masks.sparsity() == pytest.approx(share, abs=1e-3)
        assert lines[update - 1]["learned_sparsity"] == pytest.approx(share, abs=1e-3)
        hidden = checkpoint.state["task_state"]["magnitude-ste"].get("hidden", {})
        assert sum(len(values) for values in hidden.values()) == (
            sum(int((~checkpoint.masks[p.name]).sum()) for p in checkpoint.matrices) if update < 9 else 0
        )
        assert sum(int(values.count_nonzero()) for values in hidden.values()) > 0.9 * sum(map(len, hidden.values())) - 1
    masks, weights = training.masks(), training.weights()
    assert sparsity(masks) == pytest.approx(0.8, abs=1e-3)
    assert not any(weights[name][~mask].any() for name, mask in masks.items())
    assert not any(key.startswith(MASK) for key in training.state("rewind_5")["model"])
    assert training.weights("rewind_5")[FC1].count_nonzero() > 0.95 * weights[FC1].numel()
    if "ema" in flags:
        average = training.state()["extra_state"]["ema"]
        assert not any(average[name][~mask].any() for name, mask in masks.items())
        assert any(average[name][mask].any() for name, mask in masks.items())


@pytest.mark.parametrize(
    ("flags", "at"), [("fp32", 2), ("fp32", 4), ("fp32", 8), ("fp32", 9), ("average", 4), ("average", 8)]
)
def test_a_killed_training_goes_on(run_training, monkeypatch, flags, at):
    flags = FLAGS[flags]
    whole = run_training("whole", flags)
    killed_at(monkeypatch, lambda: run_training("parts", flags, EVERY), at)
    parts = run_training("parts", flags, EVERY)
    assert [line["num_updates"] for line in parts.progress()] == [*range(at + 1, 13)]
    assert_same(whole.state()["model"], parts.state()["model"])
    for mine, theirs in zip(
        *(run.state()["last_optimizer_state"]["state"].values() for run in (whole, parts)), strict=True
    ):
        assert_same(tensors(mine), tensors(theirs))
    if "ema" in flags:
        assert_same(*(run.state()["extra_state"]["ema"] for run in (whole, parts)))


def test_the_last_selection_before_the_end_may_be_as_sparse_as_the_end(run_training, monkeypatch):
    flags = STE.replace("interval=3", "interval=1,exponent=12")
    whole = run_training("whole", flags)
    killed_at(monkeypatch, lambda: run_training("parts", flags, EVERY), 8)
    unfinished = Checkpoint.load(whole.folder.parent / "parts" / "checkpoint_last.pt")
    assert unfinished.num_updates == 8
    assert unfinished.masks.sparsity() == Checkpoint.load(whole.folder / "checkpoint_last.pt").masks.sparsity()
    assert_same(whole.state()["model"], run_training("parts", flags).state()["model"])


def test_two_workers_train_the_same(corpus, tmp_path):
    assert_equal_workers(train_on_two(corpus, tmp_path, STE, "--max-update 10"), tmp_path, 0.8)


def test_from_a_parent_that_is_sparse_and_begins_half_way(run_training, dense):
    first = run_training("half", "--mask-from", dense.folder / "checkpoint_last.pt", "--sparsity 0.3")
    parent = ("--mask-from", first.folder / "checkpoint_last.pt")
    training = run_training("ste", *parent, STE, "--rewind-points 0", EVERY)
    assert_same(training.weights("rewind_0"), first.weights())
    halfway = Checkpoint.load(training.folder / "checkpoint_1_5.pt")
    assert halfway.masks.sparsity() == pytest.approx(0.8 - 0.5 * (1 - 3 / 9) ** 3, abs=1e-3)
    assert not any((mask & ~first.masks()[name]).any() for name, mask in training.masks("checkpoint_1_5").items())
    jumped = run_training("jumped", *parent, STE.replace("cubic:", "cubic:initial=0.6,"), EVERY)
    assert Checkpoint.load(jumped.folder / "checkpoint_1_1.pt").masks.sparsity() == pytest.approx(0.6, abs=1e-3)
    assert [line["sparsity"] for line in jumped.progress()[:8]] == pytest.approx([0.3] * 8, abs=1e-3)


def test_another_training_takes_the_masked_model(run_training):
    unfinished = run_training("ste", STE, EVERY).folder / "checkpoint_1_5.pt"
    masks = Checkpoint.load(unfinished).masks
    for name, flags in {
        "tuned": ("--finetune-from-model", unfinished),
        "ticket": ("--mask-from", unfinished),
        "both": ("--mask-from", unfinished, STE),
    }.items():
        training = run_training(name, *flags, "--rewind-points 0")
        assert Checkpoint.load(training.folder / "rewind_0.pt").masks == masks
        held = Checkpoint.load(training.folder / "checkpoint_last.pt").masks
        assert not any((held[p.name] & ~masks[p.name]).any() for p in masks.prunables)


def test_a_mask_that_cannot_be_is_one_line(run_training):
    flags = "--saliency magnitude-ste --group head --prune-set body --sparsity 0.9 --schedule cubic:interval=2"
    with pytest.raises(SystemExit, match=r"^nmt-prune: error: .* would lose all its heads"):
        run_training("heads", flags)


def test_validation_sees_the_mask(run_training):
    validated = "--save-interval-updates 5 --eval-bleu --best-checkpoint-metric bleu --maximize-best-checkpoint-metric"
    training = run_training("ste", STE, validated, without="--disable-validation")
    first = training.progress("valid")[0]
    assert (first["valid_bleu"], first["valid_num_updates"]) == (0, 5)
    masked = training.folder / "checkpoint_1_5.pt"
    again = run_training(
        "again", "--finetune-from-model", masked, "--lr 1e-9 --max-update 1", without="--disable-validation"
    )
    assert first["valid_loss"] == pytest.approx(again.progress("valid")[0]["valid_loss"], abs=2e-3)


def test_inspection_says_what_is_not_final(run_training):
    folder = run_training("ste", STE, EVERY).folder
    said = [inspect(folder / f"checkpoint_1_{update}.pt")["source"] for update in (2, 5, 9)]
    assert said[0] == "zeros in the weights", "nothing is masked before the first change"
    assert said[1] == "masks in the checkpoint, not final at update 5: what they hide goes on learning"
    assert said[2] == "masks in the checkpoint"
