"""w² · v̂ from the optimizer of a training and from that of a checkpoint."""

import pytest
import torch

from tests.tasks.test_movement import sparsity
from tests.tasks.training import FC1

pytestmark = pytest.mark.slow

FLAGS = "--saliency adam-fisher --schedule oneshot:at=12 --sparsity 0.5"


@pytest.mark.parametrize("precision", ["", "--fp16 --fp16-no-flatten-grads --fp16-init-scale 4"])
def test_a_training_reads_its_own_optimizer(run_training, dense, precision):
    training = run_training("pruned", FLAGS, precision)
    assert sparsity(training.masks()) == pytest.approx(0.5, abs=1e-3)
    magnitude = run_training("magnitude", FLAGS, precision, "--saliency magnitude")
    assert not torch.equal(training.masks()[FC1], magnitude.masks()[FC1])
    if not precision:  # the same updates, pruned at once from the checkpoint that they end with
        ticket = run_training(
            "ticket", "--mask-from", dense.folder / "checkpoint_last.pt", "--saliency adam-fisher --sparsity 0.5"
        )
        assert all(torch.equal(mask, ticket.masks()[name]) for name, mask in training.masks().items())


def test_it_is_refused_where_there_is_no_adam(run_training):
    other = run_training("other", "--optimizer nag --lr 0.1 --max-update 4")
    for flags in (
        ("--mask-from", other.folder / "checkpoint_last.pt", "--saliency adam-fisher --sparsity 0.5"),
        ("--saliency adam-fisher --sparsity 0.5",),
        (FLAGS, "--optimizer nag"),
    ):
        with pytest.raises(SystemExit, match="reads Adam's second moments, and there are none yet"):
            run_training("refused", *flags)
