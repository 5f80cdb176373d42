"""The three clocks: which update, which learning rate and whose moments a ticket starts with."""

import shutil

import pytest
import torch

from tests.tasks.training import FC1, Training, assert_same

pytestmark = pytest.mark.slow


def ticket(run_training, dense, clock: str, *flags: str) -> Training:
    files = ["--mask-from", dense.folder / "checkpoint_last.pt"]
    if clock == "rewind" or "--reset rewind" in flags:
        files += ["--rewind-from", dense.folder / "rewind_4.pt"]
    return run_training(clock, *files, "--sparsity 0.5 --clock", clock, *flags)


def course(training: Training) -> list[tuple[int, float]]:
    return [(int(line["num_updates"]), line["lr"]) for line in training.progress()]


def test_restart_begins_with_the_warm_up(run_training, dense):
    for reset in ("keep", "rewind"):
        again = ticket(run_training, dense, "restart", f"--reset {reset}", "--save-dir", str(dense.folder / reset))
        assert course(again) == course(dense)
        assert [update for update, _ in course(again)] == list(range(1, 13))


def test_rewind_goes_on_at_the_rewind_point(run_training, dense):
    rewound = ticket(run_training, dense, "rewind", "--reset rewind")
    assert course(rewound) == course(dense)[4:]


def test_learning_rate_rewinding_keeps_the_weights(run_training, dense):
    rewound = ticket(run_training, dense, "rewind", "--reset keep --rewind-points 5")
    assert course(rewound) == course(dense)[4:]
    # One update from the trained weights, not from those of update 4.
    distances = {
        name: sum(float((rewound.weights("rewind_5")[key] - dense.weights(name)[key])[mask].abs().sum())
                  for key, mask in rewound.masks().items())
        for name in ("checkpoint_last", "rewind_4")
    }  # fmt: skip
    assert distances["checkpoint_last"] < distances["rewind_4"] / 2


def test_keep_goes_on_after_the_parent(run_training, dense):
    kept = ticket(run_training, dense, "keep", "--max-update 16")
    assert course(kept) == course(run_training("longer", "--max-update 16"))[12:]


def test_keep_without_pruning_is_a_plain_continuation(run_training, dense, tmp_path):
    kept = ticket(run_training, dense, "keep", "--sparsity 0 --max-update 16")
    shutil.copytree(dense.folder, tmp_path / "resumed")
    resumed = run_training("resumed", "--max-update 16")
    assert_same(kept.weights(), resumed.weights())
    restarted = ticket(run_training, dense, "restart", "--sparsity 0 --max-update 4")
    assert not torch.equal(restarted.weights()[FC1], resumed.weights()[FC1])


def test_a_schedule_is_met_by_the_clock_that_starts_within_it(run_training, dense):
    for clock, start in (("keep", 12), ("rewind", 4)):
        end = f"--schedule oneshot:at={start + 1} --max-update 16"
        pruned = ticket(run_training, dense, clock, end, "--reset keep --save-dir", str(dense.folder / f"at-{clock}"))
        line = pruned.progress()[-1]
        assert (line["num_updates"], line["sparsity"]) == (16, pytest.approx(0.5, abs=0.01))
