"""The line between two models: its points are models of their own, and the barrier is what rises above its ends."""

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.analysis.connectivity import POINTS, connectivity
from nmt_prune.evaluation.quality.text import write_lines
from nmt_prune.evaluation.records.scored_runs import read_runs
from nmt_prune.measuring.dev_set import load_dev_set
from nmt_prune.measuring.linear_path import LinearPath, linear_path
from nmt_prune.subnetworks.search import SearchSettings
from tests.evaluation.corpus import write_run
from tests.tasks.training import load

LINES = ["ja"]


def test_the_middle_is_the_model_of_the_mean_weights(corpus, dense, tmp_path):
    first, second = dense.folder / "rewind_4.pt", dense.folder / "checkpoint_last.pt"
    states = [load(path) for path in (first, second)]
    mean = dict(states[1])
    mean["model"] = {
        key: torch.lerp(states[0]["model"][key].float(), value, 0.5) if value.is_floating_point() else value
        for key, value in states[1]["model"].items()
    }
    torch.save(mean, tmp_path / "mean.pt")
    losses = linear_path(first, second, corpus, 3).losses
    for path, loss in zip((first, tmp_path / "mean.pt", second), losses, strict=True):
        dev = load_dev_set(path, corpus, SearchSettings())
        assert loss == pytest.approx(dev.loss(dev.evidence.model.eval()), rel=1e-5)


def test_the_barrier_is_above_the_line_between_the_ends():
    assert LinearPath((2.0, 2.75, 3.0)).barrier == pytest.approx(0.25)
    assert LinearPath((2.0, 2.5, 1.0, 3.0, 4.0)).barrier == 0.0
    assert LinearPath((1.0, 4.0, 1.0)).barrier == pytest.approx(3.0)


def test_of_a_ladder(corpus, dense, tmp_path):
    """Of two rungs that are the dense model itself: no barrier, and the loss that it has."""
    write_lines(tmp_path / "test.de", LINES)
    parents = {("dense", 0.0): None, ("slt", 0.5): "dense-0.0", ("slt", 0.8): "slt-0.5", ("mp", 0.9): "dense-0.0"}
    parents |= {("mp", 0.8): None}  # which has the dense model beside it, not mp's other rung
    for (technique, sparsity), parent in parents.items():
        run = {"technique": technique, "sparsity": sparsity, "parent": parent}
        made = write_run(tmp_path, f"{technique}-{sparsity}", LINES, tmp_path / "test.de", **run)
        (made / "checkpoint_best.pt").symlink_to(dense.folder / "checkpoint_last.pt")
    (section,) = connectivity(read_runs(tmp_path), corpus)
    dev = load_dev_set(dense.folder / "checkpoint_last.pt", corpus, SearchSettings())
    loss = f"{dev.loss(dev.evidence.model.eval()):.3f}"
    assert section.table.rows == [
        [technique, rungs, "1", loss, loss, loss, "0.000"]
        for technique, rungs in [
            *(("MP", "0 % to 80 %"), ("MP", "0 % to 90 %")),
            *(("SLT", "0 % to 50 %"), ("SLT", "50 % to 80 %")),
        ]
    ]
    assert f"at {POINTS} points" in section.notes[0]
    for folder in ("dense-0.0", "slt-0.5"):
        (tmp_path / folder / "checkpoint_best.pt").unlink()
    with pytest.raises(PruneError, match="no run with its checkpoint and that of the rung below"):
        connectivity(read_runs(tmp_path), corpus)


def test_what_has_no_line_between(corpus, dense, run_training):
    last = dense.folder / "checkpoint_last.pt"
    wider = run_training("wider", "--max-update 1 --encoder-ffn-embed-dim 28").folder / "checkpoint_last.pt"
    with pytest.raises(PruneError, match=r"another architecture than .*fc1\.bias is \(28,\) there and \(20,\) here"):
        linear_path(last, wider, corpus, 3)
    with pytest.raises(PruneError, match="--points 2: at least one lies between"):
        linear_path(last, last, corpus, 2)
