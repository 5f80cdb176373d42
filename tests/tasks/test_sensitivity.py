"""Densities by sensitivity in real trainings."""

import json

import pytest

pytestmark = pytest.mark.slow

FLAGS = "--budget sensitivity --sparsity 0.5 --calibration-batches 2 --max-update 4"


@pytest.mark.parametrize("start", ["--mask-from {}", "--schedule oneshot:at=2"])
def test_sensitive_matrices_keep_more(run_training, dense, start):
    training = run_training("pruned", FLAGS, start.format(dense.folder / "checkpoint_last.pt"))
    assert training.progress()[-1]["sparsity"] == pytest.approx(0.5, abs=1e-3)
    densities = [float(mask.float().mean()) for mask in training.masks().values()]
    assert 0.12 < min(densities) < max(densities) - 0.2, "at least a quarter of the density"
    noted = json.loads((training.folder / "pruning.json").read_text())
    assert noted["other_passes"] == 2 * (1 + 17), "two batches, for the whole and for each of 17 matrices"


def test_it_is_refused_where_masks_are_chosen_over_and_over(run_training):
    flags = (FLAGS, "--saliency movement --schedule cubic:interval=1,end=3")
    with pytest.raises(SystemExit, match="--budget sensitivity is measured for every mask, and --saliency movement"):
        run_training("refused", *flags)
