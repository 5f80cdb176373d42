"""A user's own entry in one file (--extension)."""

import pytest
import torch

pytestmark = pytest.mark.slow

COLUMN_NORM = '''
from dataclasses import dataclass

from torch import Tensor

from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.saliency import Saliency, saliencies


@saliencies.register("column-norm")
@dataclass(frozen=True)
class ColumnNorm(Saliency):
    """All weights of a column stand or fall together, almost."""

    power: float = 2.0

    def score_matrix(self, prunable: Prunable, weight: Tensor) -> Tensor:
        return weight.float().abs().pow(self.power).sum(dim=0, keepdim=True).expand(prunable.shape)
'''


def test_a_saliency_of_ones_own(run_training, dense, tmp_path):
    (tmp_path / "column_norm.py").write_text(COLUMN_NORM)
    flags = ("--extension", tmp_path / "column_norm.py", "--saliency column-norm:power=1 --sparsity 0.5")
    training = run_training("own", "--mask-from", dense.folder / "checkpoint_last.pt", *flags)
    name = "encoder.layers.0.fc1.weight"
    best = dense.weights()[name].abs().sum(dim=0).topk(8).indices
    expected = torch.zeros(20, 16, dtype=torch.bool)
    expected[:, best] = True
    assert torch.equal(training.masks()[name], expected)


def test_two_extensions(run_training, dense, tmp_path):
    (tmp_path / "column_norm.py").write_text(COLUMN_NORM)
    (tmp_path / "second.py").write_text(COLUMN_NORM.replace("column-norm", "other-norm"))
    flags = ("--extension", tmp_path / "second.py", "--extension", tmp_path / "column_norm.py")
    flags += ("--saliency other-norm --sparsity 0.5 --mask-from", dense.folder / "checkpoint_last.pt")
    assert run_training("both", *flags).masks()["encoder.layers.0.fc1.weight"].sum() == 160


def test_a_failing_extension_is_one_line(run_training, tmp_path):
    (tmp_path / "broken.py").write_text("import nothing_of_the_kind\n")
    with pytest.raises(
        SystemExit, match=r"nmt-prune: error: extension \S+broken\.py failed: line 1: ModuleNotFoundError"
    ):
        run_training("own", "--extension", tmp_path / "broken.py")
