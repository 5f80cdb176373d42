"""Magnitude pruning during training: cubic schedule, exact counts, masks that only lose weights."""

from pathlib import Path

import pytest
import torch
from fairseq.logging import progress_bar

from tests.tasks.training import EMBEDDING, Training, train

pytestmark = pytest.mark.slow

UPDATES, END, FINAL = 20, 16, 0.9  # the end is 80 % of training by default


@pytest.fixture(scope="module")
def pruned(corpus, tmp_path_factory) -> Training:
    folder = tmp_path_factory.mktemp("mp")
    schedule = f"--schedule cubic:interval=3 --sparsity {FINAL} --max-update {UPDATES}"
    return train(corpus, folder, schedule, "--save-interval-updates 1", "--rewind-points 0")


def formula(update: int) -> float:
    """Zhu & Gupta 2018, equation 1, changed every third update and at the end."""
    last_change = END if update >= END else update // 3 * 3
    return FINAL - FINAL * (1 - last_change / END) ** 3


def sizes(masks: dict[str, torch.Tensor]) -> dict[str, int]:
    return {key: mask.numel() - (mask.shape[1] if key == EMBEDDING else 0) for key, mask in masks.items()}


def test_every_update_has_the_sparsity_of_the_formula(pruned):
    total = sum(sizes(pruned.masks()).values())
    for update in range(1, UPDATES + 1):
        masks = pruned.masks(f"checkpoint_1_{update}")
        assert bool(masks) == (update >= 3)
        gone = sum(int((~mask).sum()) for mask in masks.values())
        assert total - gone == int((1 - formula(update)) * total + 0.5), update


def test_every_matrix_has_its_exact_count_at_the_end(pruned):
    masks = pruned.masks()
    assert len(masks) == 17
    for key, size in sizes(masks).items():
        kept = int(masks[key].sum()) - (masks[key].numel() - size)
        assert abs(kept - (1 - FINAL) * size) < 1, key


def test_masks_only_lose_weights_and_the_last_fifth_is_fixed(pruned):
    before = pruned.masks("checkpoint_1_3")
    for update in range(4, UPDATES + 1):
        masks = pruned.masks(f"checkpoint_1_{update}")
        assert not any((masks[key] & ~before[key]).any() for key in before)
        if update > END:
            assert all(torch.equal(masks[key], before[key]) for key in before)
        before = masks


def test_pruned_weights_are_zero_at_every_update(pruned):
    for update in range(3, UPDATES + 1):
        name = f"checkpoint_1_{update}"
        weights = pruned.weights(name)
        assert not any(weights[key][~mask].any() for key, mask in pruned.masks(name).items())


def test_the_survivors_are_the_largest_at_the_change(pruned, run_training):
    """A mask change removes what is smallest just then: compared with the weights one update without the change."""
    other = run_training("no change", "--max-update 3")
    weights, masks = other.weights(), pruned.masks("checkpoint_1_3")
    for key, mask in masks.items():
        rows = [row for row in range(len(mask)) if key != EMBEDDING or row != 1]
        magnitude, mask = weights[key].abs()[rows], mask[rows]
        assert magnitude[mask].min() >= magnitude[~mask].max(), key


def test_progress_lines_tell_the_sparsities(pruned):
    lines = pruned.progress()
    assert [line["num_updates"] for line in lines] == list(range(1, UPDATES + 1))
    masks, weights = pruned.masks(), pruned.weights()
    for line in lines:
        assert line["sparsity"] == pytest.approx(formula(int(line["num_updates"])), abs=1e-3)
        assert line["revived"] == 0
    gone = {key: int((~mask).sum()) for key, mask in masks.items()}
    size = sizes(masks)
    tied = {key: weight for key, weight in weights.items() if "output_projection" not in key and "version" not in key}
    every = sum(w.numel() for key, w in tied.items() if key != "decoder.embed_tokens.weight" and "_float" not in key)
    body = [key for key in masks if key != EMBEDDING]
    last = lines[-1]
    assert last["sparsity"] == round(sum(gone.values()) / sum(size.values()), 4)
    assert last["sparsity_all"] == round(sum(gone.values()) / every, 4)
    assert last["sparsity_body"] == round(sum(gone[key] for key in body) / sum(size[key] for key in body), 4)
    assert last["max_abs_w"] == round(max(float(weights[key].abs().max()) for key in masks), 4)


def test_stabilized_ticket_then_magnitude_pruning(run_training, dense):
    """SLT-MP: the schedule begins at the sparsity of the mask it starts from."""
    slt = run_training("slt", "--mask-from", dense.folder / "checkpoint_last.pt", "--sparsity 0.6")
    flags = ("--schedule cubic:interval=2 --sparsity 0.9 --rewind-points 0",)
    slt_mp = run_training("slt-mp", "--mask-from", slt.folder / "checkpoint_last.pt", *flags)
    lines = slt_mp.progress()
    assert lines[0]["sparsity"] == pytest.approx(0.6, abs=1e-3)
    assert lines[3]["sparsity"] == pytest.approx(0.9 - 0.3 * (1 - 4 / 10) ** 3, abs=1e-3)  # 80 % of 12 updates: 10
    assert lines[-1]["sparsity"] == pytest.approx(0.9, abs=1e-3)
    assert not any((mask & ~slt.masks()[key]).any() for key, mask in slt_mp.masks().items())


def test_one_shot_prunes_once(run_training):
    training = run_training("oneshot", "--schedule oneshot:at=5 --sparsity 0.5")
    assert [line["sparsity"] for line in training.progress()] == [0] * 4 + [0.5] * 8


def test_tensorboard_has_the_sparsity_too(run_training, tmp_path, monkeypatch):
    """As all that fairseq logs, whichever package writes it."""
    written = []

    class Writer:
        def __init__(self, folder):
            self.folder = folder

        def add_scalar(self, name, value, step):
            written.append((Path(self.folder).name, name, step, value))

        def add_text(self, *said):
            pass

        def flush(self):
            pass

        def close(self):
            pass

    monkeypatch.setattr(progress_bar, "SummaryWriter", Writer)
    flags = "--sparsity 0.5 --schedule cubic:interval=2 --max-update 8 --tensorboard-logdir"
    run_training("run", flags, tmp_path / "curves")
    shares = {step: value for kind, name, step, value in written if (kind, name) == ("train_inner", "sparsity")}
    assert shares[8] == pytest.approx(0.5, abs=1e-3)
    assert shares[1] == 0 < shares[3]
