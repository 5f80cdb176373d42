"""A model whose positions count from 0 is trained on from one whose count from 2, and can be exported for Marian."""

import numpy as np
import pytest

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.export.marian import export_marian
from nmt_prune.pruning.resets import resets
from nmt_prune.sinusoids import sinusoids
from nmt_prune.storage.checkpoints.from_checkpoint import compact_model

pytestmark = pytest.mark.slow
TABLES = ("encoder.embed_positions.weight", "decoder.embed_positions.weight")


def test_a_ticket_of_other_positions(dense, run_training):
    flags = ("--marian-positions --max-update 2 --sparsity 0.5 --mask-from", dense.folder / "checkpoint_last.pt")
    assert run_training("ticket", *flags).progress()[-1]["sparsity"] == pytest.approx(0.5, abs=1e-3)


def test_trained_on_with_positions_of_marian(corpus, dense, run_training, tmp_path):
    parent = dense.folder / "checkpoint_last.pt"
    trained = run_training("marian", "--marian-positions --max-update 3 --finetune-from-model", parent)
    weights = trained.weights()
    for key in TABLES:
        np.testing.assert_array_equal(weights[key][2:], sinusoids(len(weights[key]) - 2, 16))
    before = dense.weights()
    assert all(not key.endswith("_float_tensor") or "embed_positions" not in key for key in weights)
    assert (weights["encoder.layers.0.fc1.weight"] != before["encoder.layers.0.fc1.weight"]).any()
    path = trained.folder / "checkpoint_last.pt"
    export_marian(compact_model(Checkpoint.load(path), corpus), tmp_path / "export")
    assert (tmp_path / "export" / "model.npz").exists()
    resumed = run_training("marian", "--marian-positions --max-update 4")
    assert resumed.said("Loaded checkpoint")
    fresh = resets.build("reinit").base(weights, {})
    np.testing.assert_array_equal(fresh[TABLES[0]], weights[TABLES[0]])
